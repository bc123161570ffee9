/* partition.h: cut rows and columns of a product into tiles and panels. Independent of the element type. */
#ifndef FASTNN_PARTITION_H
#define FASTNN_PARTITION_H

#include "simd.h"

#include <stddef.h>

/* Nearly equal parts: the first `longer` have size + 1 items, the others `size`. */
typedef struct {
    ptrdiff_t parts, size, longer;
} equal_parts;

/* The fewest parts of at most `most` items each. */
static inline equal_parts cut(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t parts = (total + most - 1) / most, divisor = MAX(1, parts);
    const equal_parts cut = {parts, total / divisor, total % divisor};
    return cut;
}

/* The row at which vector i of `height` begins. The last one begins at row `last` and may overlap the previous one. */
#define VECTOR_ROW(i, height, last) ((i) < (height) - 1 ? (i) * LANES : (last))

/* How a panel of op(A), some vectors of rows by up to KC terms, is read and its rows of C are written. */
typedef enum { PANEL_WHOLE, PANEL_OVERLAP, PANEL_PACK, PANEL_EDGE } panel_kind;

typedef struct {
    panel_kind kind;
    ptrdiff_t row;  /* first row of C */
    ptrdiff_t rows; /* number of rows of C */
} panel_plan;

/* Choose the kind of the panel of `vectors` vectors from vector number `first` on, by the table in tiles.inc.h. */
FASTNN_INLINE panel_plan plan_panel(int transpose_A, ptrdiff_t n, ptrdiff_t lanes, ptrdiff_t first, ptrdiff_t vectors,
                                    int accumulates) /* C already holds the sums of earlier terms */
{
    const ptrdiff_t row = first * lanes, height = vectors * lanes;
    panel_plan plan = {transpose_A ? PANEL_PACK : PANEL_WHOLE, row, height};
    if (row + height <= n) return plan;
    plan.kind = PANEL_EDGE;
    /* Rows shared with the previous panel would be accumulated twice. Rows shared by two vectors of one tile are not: a
       tile reads all of its sums from C before it writes any. */
    if (!transpose_A && n >= lanes && (!accumulates || vectors > 1)) {
        plan.kind = PANEL_OVERLAP;
        if (vectors == 1) plan.row = n - lanes;
    }
    plan.rows = n - plan.row;
    return plan;
}

#endif

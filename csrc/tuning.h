/* tuning.h: block sizes and thresholds of the kernels, each with its unit and the benchmark that set it.

   The EACH_ lists name the sizes that a function is compiled for; `then` separates them. Those of NEON follow from its
   registers and from a simulation of the inner loops, `python bench arm64`: nobody measured them. */
#ifndef FASTNN_TUNING_H
#define FASTNN_TUNING_H

#define COMMA ,

/* Vector registers: AVX-512 and NEON (16 bytes) have 32, AVX2 has 16. */
#if FASTNN_VECTOR == 32
#define VECTOR_REGISTERS 16
#else
#define VECTOR_REGISTERS 32
#endif

/* gemm/tiles.inc.h. Set by `python bench products`. A panel should stay in the L1 cache (32 or 48 KiB). */
#define KC 256                /* terms per block: a panel of MR - 1 vectors takes 48 KiB; 16 with 32-byte vectors */
#define NC 256                /* columns of op(B) per block: NC * KC elements stay in the L2 cache */
#if FASTNN_VECTOR == 16
#define MAX_TERMS_TALLEST PTRDIFF_MAX /* a panel of MR vectors takes 16 KiB */
#else
#define MAX_TERMS_TALLEST 128 /* terms up to which panels have MR vectors: 32 KiB; 12 with 32-byte vectors */
#endif

/* Packing where lines compete for the same sets of the L1 cache, which has 64 sets of 8 lines on most CPUs. 64-byte
   vectors use whole lines and were not faster with it. */
#define PACKS_ALIASING (FASTNN_VECTOR < 64)
#define FEW_SETS_BYTES 256       /* columns a multiple of this apart use a quarter of the sets or fewer, */
#define TWO_SETS_BYTES 2048      /* two of them, */
#define ONE_SET_BYTES 4096       /* or a single one */
#define MIN_COLUMNS_PACK_A 32    /* columns of C from which packing op(A) pays off if it uses two sets, */
#define MIN_COLUMNS_PACK_A_OF_FEW_SETS 128 /* and if it uses more and B is not transposed */
#define MIN_COLUMNS_PACK_B 32    /* columns of C from which packing a transposed B pays off, */
#define MIN_VECTORS_PACK_B 16    /* and vectors of rows of C */
#define TILES_PACKED_TOGETHER 16 /* tiles of op(B) written side by side: more would need more pages than the TLB holds */
#define TILE_GAP (64 / (ptrdiff_t)sizeof(real)) /* elements between packed tiles, which begin in different sets */
#define PACKED_B_COLUMNS 512     /* columns per block of a packed op(B): op(A) is packed once for each of them */

/* 1: panels of MR vectors wherever op(A) is packed, so that fewer of them read the block of op(B). */
#define TALLEST_IF_PACKED (FASTNN_VECTOR == 32)

/* Register tiles: accumulators, a column of op(A) and an element of op(B) fill the vector registers. MR is the height
   of the tallest tile in vectors, NR the width of the widest in columns. The tallest tiles are faster for few
   terms or if one tile covers all columns; otherwise MR - 1 leaves registers for wider tiles. */
#if VECTOR_REGISTERS == 32 /* 24 + 3 + 1 or 24 + 4 + 1 */
#define ACCUMULATORS 24
#define MR 4
#define NR 8
#define EACH_HEIGHT(DO, then) DO(1) then DO(2) then DO(3)
#define EACH_WIDTH(DO, height, then)                                                               \
    DO(height, 1) then DO(height, 2) then DO(height, 3) then DO(height, 4) then DO(height, 5) then \
    DO(height, 6) then DO(height, 7) then DO(height, 8)
#define EACH_TALLEST(DO, then) DO(4, 1) then DO(4, 2) then DO(4, 3) then DO(4, 4) then DO(4, 5) then DO(4, 6)
#else /* 12 + 2 + 1 or 12 + 3 + 1 */
#define ACCUMULATORS 12
#define MR 3
#define NR 6
#define EACH_HEIGHT(DO, then) DO(1) then DO(2)
#define EACH_WIDTH(DO, height, then) \
    DO(height, 1) then DO(height, 2) then DO(height, 3) then DO(height, 4) then DO(height, 5) then DO(height, 6)
#define EACH_TALLEST(DO, then) DO(3, 1) then DO(3, 2) then DO(3, 3) then DO(3, 4)
#endif

/* gemm/dots.inc.h. Set by `python bench products`. */
#define DOT_BLOCK_BYTES 4096 /* bytes per column and block: the columns of a tile stay in the L1 cache */
/* DOT_ROWS and DOT_COLUMNS: rows and columns of C in the largest tile. */
#if VECTOR_REGISTERS == 32   /* 25 accumulators, 5 vectors of B, 1 of A */
#define DOT_ROWS 5
#define DOT_COLUMNS 5
#define EACH_DOT_ROWS(DO, then) DO(1) then DO(2) then DO(3) then DO(4) then DO(5)
#define EACH_DOT_COLUMNS(DO, rows, then) \
    DO(rows, 1) then DO(rows, 2) then DO(rows, 3) then DO(rows, 4) then DO(rows, 5)
#else                        /* 12 + 3 + 1 */
#define DOT_ROWS 4
#define DOT_COLUMNS 3
#define EACH_DOT_ROWS(DO, then) DO(1) then DO(2) then DO(3) then DO(4)
#define EACH_DOT_COLUMNS(DO, rows, then) DO(rows, 1) then DO(rows, 2) then DO(rows, 3)
#endif
#define DOT_FEW_ROWS DOT_COLUMNS /* rows of C up to which this kernel is the fastest for any number of columns */

/* gemm/matvec.inc.h. Set by `python bench products`, rows with m = 1. */
#define STREAMED_STRIP_BYTES 4096    /* bytes per column and block, and of the sums, which stay in the L1 cache */
#define STREAMED_COLUMNS 4           /* columns added per pass over the sums */
#define STREAMED_AHEAD_BYTES 1024    /* bytes from the read of a line of a column to its prefetch */
#define VECTORS_PER_LINE (64 / FASTNN_VECTOR)
/* MIN_STREAMED_BYTES: bytes of A from which it is read column by column. */
#if FASTNN_VECTOR == 32
#define MIN_STREAMED_BYTES (3 << 13) /* larger than the L1 cache with b and c */
#else
#define MIN_STREAMED_BYTES (1 << 20) /* larger than the L2 cache */
#endif
#if VECTOR_REGISTERS == 32
#define ROW_STRIP 16 /* vectors of rows summed together, in registers */
#define EACH_ROW_STRIP(DO) \
    DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15) DO(16)
#else
#define ROW_STRIP 8
#define EACH_ROW_STRIP(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8)
#endif

/* gemm/sparse.inc.h. Set by `python bench kernels`. */
#define NONZEROS_AHEAD 8 /* non-zeros between the prefetch of a column of W and its use */
#define SPARSE_UNITS 64  /* units whose sums stay in registers or the L1 cache */

/* elementwise/. Set by `python bench kernels --only passes`. Blocks stay in the L1 cache. */
#define FOLDED_HEIGHT 1024      /* elements of a folded column, at most (or the units of a layer) */
#define BLOCK_ELEMENTS 2048     /* elements of a block of softmax or of a loss, and ... */
#define BLOCK_COLUMNS 256       /* ... its examples, at most */
#define SOFTMAX_STRIP 32        /* examples whose sums of softmax stay in registers */
#define MAX_TRANSPOSED_UNITS 32 /* units up to which softmax transposes a block */
#define UPDATE_BLOCK 1024       /* elements of the gradient that an update sums at a time */
#define DROPOUT_BLOCK 1024      /* elements whose random words are generated at a time */

/* elementwise/embedding.inc.h. Set by `python bench embedding`. */
#define EMBEDDING_EXAMPLES 256 /* examples of a block, whose rows of A[0] stay in the L2 cache for all columns, */
#define WAVE_EXAMPLES 32       /* and those whose waves stay in the L1 cache between two loops */
#define WAVES 16               /* frequencies that are computed side by side; fewer are filled up */
#define WAVE_OUTPUTS 4         /* outputs of a number that are computed side by side, at most */

/* memory/. Set by `python bench kernels --only passes`, gather. */
#define PREFETCH_BYTES 4096 /* bytes of the rows to come that are prefetched where they are in random order */
#define MAX_ROWS_AHEAD 16   /* rows between a prefetch and its use, at most */
#define FINITE_BLOCK 4096   /* elements between two tests of whether all were finite */

#endif

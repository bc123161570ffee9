/* optimizers.inc.h: one step of gradient descent and its relatives on a slice of the parameter arena.

   The gradient of a block is summed over the shards and given its L2 term in a buffer that stays in the
   first-level cache, so that every arena is read once and written once. */
#ifndef FASTNN_UPDATE_BLOCK
#define FASTNN_UPDATE_BLOCK 1024
#endif

/* g = sum over shards of gradient[start:stop] + l2 * theta on the weights; adds the squares of the weights. */
static void FN(block_gradient)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop,
                               const real *restrict gradients, /* IN (n_shards, size) */
                               const real *restrict theta,     /* IN (size) */
                               real *restrict g,               /* OUT (stop - start) */
                               double *squares)                /* IN/OUT */
{
    const ptrdiff_t count = stop - start;
    gradients += start;
    theta += start;
    if (u->n_shards == 2) { /* the commonest sum in one pass */
        for (ptrdiff_t i = 0; i < count; i++) g[i] = gradients[i] + gradients[u->size + i];
    } else {
        memcpy(g, gradients, (size_t)count * sizeof(real));
        for (int s = 1; s < u->n_shards; s++) FN(accumulate)(count, gradients + s * u->size, g);
    }
    if (u->l2 > 0) {
        const ptrdiff_t decayed = MIN(count, u->n_decayed - start);
        const real l2 = R(u->l2);
        real sum = 0;
        SIMD_REDUCE(+, sum)
        for (ptrdiff_t i = 0; i < decayed; i++) {
            g[i] += l2 * theta[i];
            sum += theta[i] * theta[i];
        }
        *squares += (double)sum;
    }
}

static double FN(total_gradient)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop, const void *gradients,
                                 const void *theta, void *out_)
{
    real *out = out_;
    double squares = 0;
    for (ptrdiff_t i = start; i < stop; i += FASTNN_UPDATE_BLOCK)
        FN(block_gradient)(u, i, MIN(stop, i + FASTNN_UPDATE_BLOCK), gradients, theta, out + (i - start), &squares);
    return squares;
}

/* theta -= alpha g: the notes' update. */
static void FN(sgd)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta)
{
    const real rate = R(u->rate);
    for (ptrdiff_t i = 0; i < count; i++) theta[i] -= rate * g[i];
}

/* v = mu v - alpha g; theta += v. */
static void FN(momentum)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                         real *restrict v)
{
    const real rate = R(u->rate), mu = R(u->momentum);
    for (ptrdiff_t i = 0; i < count; i++) {
        v[i] = mu * v[i] - rate * g[i];
        theta[i] += v[i];
    }
}

/* v = mu v - alpha g; theta += mu v - alpha g (Sutskever et al. 2013, taken at the look-ahead point). */
static void FN(nesterov)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                         real *restrict v)
{
    const real rate = R(u->rate), mu = R(u->momentum);
    for (ptrdiff_t i = 0; i < count; i++) {
        v[i] = mu * v[i] - rate * g[i];
        theta[i] += mu * v[i] - rate * g[i];
    }
}

/* Kingma & Ba 2015, the efficient form at the end of section 2: alpha_t carries the bias correction. */
static void FN(adam)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                     real *restrict first, real *restrict second)
{
    const real rate = R(u->rate), beta_1 = R(u->beta_1), beta_2 = R(u->beta_2);
    const real epsilon = R(MAX(u->epsilon, REAL_BITS == 32 ? FLT_MIN : DBL_MIN)); /* 0 / 0 where it underflows */
    const real rest_1 = R(1 - u->beta_1), rest_2 = R(1 - u->beta_2);
    for (ptrdiff_t i = 0; i < count; i++) {
        const real m = beta_1 * first[i] + rest_1 * g[i];
        const real v = beta_2 * second[i] + rest_2 * g[i] * g[i];
        first[i] = m;
        second[i] = v;
        theta[i] -= rate * m / (FN(square_root)(v) + epsilon);
    }
}

static double FN(update)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop, const void *gradients_,
                         void *theta_, void *first_, void *second_)
{
    const real *gradients = gradients_;
    real *theta = theta_, *first = first_, *second = second_;
    real buffer[FASTNN_UPDATE_BLOCK];
    double squares = 0;
    for (ptrdiff_t i = start; i < stop; i += FASTNN_UPDATE_BLOCK) {
        const ptrdiff_t end = MIN(stop, i + FASTNN_UPDATE_BLOCK), count = end - i;
        const real *g = gradients + i;
        if (u->n_shards > 1 || u->l2 > 0) {
            FN(block_gradient)(u, i, end, gradients, theta, buffer, &squares);
            g = buffer;
        }
        switch (u->rule) {
        case FASTNN_SGD: FN(sgd)(u, count, g, theta + i); break;
        case FASTNN_MOMENTUM: FN(momentum)(u, count, g, theta + i, first + i); break;
        case FASTNN_NESTEROV: FN(nesterov)(u, count, g, theta + i, first + i); break;
        case FASTNN_ADAM: FN(adam)(u, count, g, theta + i, first + i, second + i); break;
        }
    }
    return squares;
}

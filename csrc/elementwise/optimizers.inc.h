/* optimizers.inc.h: the update rules: the learning rates of a step, then the update of a slice of the parameters.

   The gradient of a block is summed over the shards and given its L2 term in a buffer that stays in the L1 cache, so
   that every arena is read once and written once. */
#ifndef FASTNN_OPTIMIZERS
#define FASTNN_OPTIMIZERS

#include "fastnn.h"

#include <math.h>

/* Set the rates of step t = 1, 2, ... in double, once per step. Adam's include the bias corrections of its moments. */
static inline void prepare_update(fastnn_update *u, /* IN/OUT */
                                  double t, double learning_rate)
{
    u->rate = learning_rate;
    u->gradient_rate = 0;
    u->decay = learning_rate * u->weight_decay;
    u->shrink = 1 - u->decay;
    if (u->rule == FASTNN_ADAM) {
        u->rate *= sqrt(1 - pow(u->beta_2, t)) / (1 - pow(u->beta_1, t));
    } else if (u->rule == FASTNN_NADAM) {
        const double corrected = learning_rate * sqrt(1 - pow(u->beta_2, t));
        u->rate = corrected * u->beta_1 / (1 - pow(u->beta_1, t + 1));
        u->gradient_rate = corrected * (1 - u->beta_1) / (1 - pow(u->beta_1, t));
    }
}
#endif

#if defined(real) /* once per element type */

/* g = clip * (sum over shards of gradient[start:stop] + l2 * theta + l1 * sign(theta) on the weights); returns the
   L2 and L1 terms of J. */
static double FN(block_gradient)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop,
                                 const real *restrict gradients, /* IN (n_shards, size) */
                                 const real *restrict theta,     /* IN (size) */
                                 real *restrict g)               /* OUT (stop - start) */
{
    const ptrdiff_t count = stop - start, decayed = MIN(count, u->n_decayed - start);
    double penalty = 0;
    gradients += start;
    theta += start;
    if (u->n_shards == 2) { /* the most common sum, in one pass */
        for (ptrdiff_t i = 0; i < count; i++) g[i] = gradients[i] + gradients[u->size + i];
    } else {
        memcpy(g, gradients, (size_t)count * sizeof(real));
        for (int s = 1; s < u->n_shards; s++) FN(accumulate)(count, gradients + s * u->size, g);
    }
    if (u->l2 > 0) {
        const real l2 = R(u->l2);
        real sum = 0;
        SIMD_REDUCE(+, sum)
        for (ptrdiff_t i = 0; i < decayed; i++) {
            g[i] = FN(fma)(l2, theta[i], g[i]);
            sum = FN(fma)(theta[i], theta[i], sum);
        }
        penalty += 0.5 * u->l2 * (double)sum;
    }
    if (u->l1 > 0) { /* the derivative of |w| at 0 is 0 */
        const real l1 = R(u->l1);
        real sum = 0;
        SIMD_REDUCE(+, sum)
        for (ptrdiff_t i = 0; i < decayed; i++) {
            const real w = theta[i];
            g[i] += w > 0 ? l1 : w < 0 ? -l1 : 0;
            sum += w < 0 ? -w : w;
        }
        penalty = fma_f64(u->l1, (double)sum, penalty);
    }
    if (u->clip != 1) {
        const real clip = R(u->clip);
        for (ptrdiff_t i = 0; i < count; i++) g[i] *= clip;
    }
    return penalty;
}

static double FN(total_gradient)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop, const void *gradients,
                                 const void *theta, void *out_, double *squares)
{
    real *out = out_;
    real g[UPDATE_BLOCK];
    double penalty = 0, sum = 0;
    for (ptrdiff_t i = start; i < stop; i += UPDATE_BLOCK) {
        const ptrdiff_t end = MIN(stop, i + UPDATE_BLOCK), count = end - i;
        penalty += FN(block_gradient)(u, i, end, gradients, theta, g);
        SIMD_REDUCE(+, sum)
        for (ptrdiff_t k = 0; k < count; k++) sum = fma_f64((double)g[k], (double)g[k], sum);
        memcpy(out + (i - start), g, (size_t)count * sizeof(real));
    }
    *squares = sum;
    return penalty;
}

/* The steps: theta (count) IN/OUT moves along g (count) IN, with the states (count) IN/OUT that the rule has. */

/* theta -= alpha g. */
static void FN(sgd)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                    real *restrict unused_1, real *restrict unused_2)
{
    (void)unused_1;
    (void)unused_2;
    const real rate = R(u->rate);
    for (ptrdiff_t i = 0; i < count; i++) theta[i] = FN(fma)(-rate, g[i], theta[i]);
}

/* v = mu v - alpha g; theta += v. */
static void FN(momentum)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                         real *restrict v, real *restrict unused)
{
    (void)unused;
    const real rate = R(u->rate), mu = R(u->momentum);
    for (ptrdiff_t i = 0; i < count; i++) {
        v[i] = FN(fma)(mu, v[i], -(rate * g[i]));
        theta[i] += v[i];
    }
}

/* v = mu v - alpha g; theta += mu v - alpha g (Sutskever et al. 2013, taken at the look-ahead point). */
static void FN(nesterov)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                         real *restrict v, real *restrict unused)
{
    (void)unused;
    const real rate = R(u->rate), mu = R(u->momentum);
    for (ptrdiff_t i = 0; i < count; i++) {
        v[i] = FN(fma)(mu, v[i], -(rate * g[i]));
        theta[i] += FN(fma)(mu, v[i], -(rate * g[i]));
    }
}

/* Adam (Kingma & Ba 2015, the efficient form at the end of section 2): theta -= rate m / (sqrt(v) + epsilon), the bias
   corrections being part of `rate`. NAdam (Dozat 2016): theta -= (rate m + gradient_rate g) / (sqrt(v) + epsilon).
   With `decays`, add the derivative of the L2 term to g and return the sum of theta^2. */
FASTNN_INLINE double FN(adam_loop)(const fastnn_update *u, int nesterov, int decays, ptrdiff_t count,
                                   const real *restrict gradient, real *restrict theta, real *restrict first,
                                   real *restrict second)
{
    const real rate = R(u->rate), gradient_rate = R(u->gradient_rate), beta_1 = R(u->beta_1), beta_2 = R(u->beta_2);
    const real epsilon = R(MAX(u->epsilon, REAL_BITS == 32 ? FLT_MIN : DBL_MIN)); /* no 0 / 0 if it underflows */
    const real rest_1 = R(1 - u->beta_1), rest_2 = R(1 - u->beta_2), l2 = R(u->l2);
    real squares = 0;
    SIMD_REDUCE(+, squares)
    for (ptrdiff_t i = 0; i < count; i++) {
        const real w = theta[i], g = decays ? FN(fma)(l2, w, gradient[i]) : gradient[i];
        const real m = FN(fma)(beta_1, first[i], rest_1 * g);
        const real step = nesterov ? FN(fma)(rate, m, gradient_rate * g) : rate * m;
        const real v = FN(fma)(beta_2, second[i], rest_2 * g * g);
        if (decays) squares = FN(fma)(w, w, squares);
        first[i] = m;
        second[i] = v;
        theta[i] = w - step / (FN(square_root)(v) + epsilon);
    }
    return (double)squares;
}

static void FN(adam)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                     real *restrict first, real *restrict second)
{
    FN(adam_loop)(u, 0, 0, count, g, theta, first, second);
}

/* Adam with the derivative of the L2 term added on the fly, which saves a pass. Returns the sum of theta^2. */
static double FN(adam_with_l2)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                               real *restrict first, real *restrict second)
{
    return FN(adam_loop)(u, 0, 1, count, g, theta, first, second);
}

static void FN(nadam)(const fastnn_update *u, ptrdiff_t count, const real *restrict g, real *restrict theta,
                      real *restrict first, real *restrict second)
{
    FN(adam_loop)(u, 1, 0, count, g, theta, first, second);
}

/* RMSprop (Tieleman & Hinton 2012): v = beta_2 v + (1 - beta_2) g^2; replace g by g / (sqrt(v) + epsilon). */
static void FN(divide_by_root_mean_square)(const fastnn_update *u, ptrdiff_t count, real *restrict g,
                                           real *restrict v)
{
    const real beta_2 = R(u->beta_2), rest_2 = R(1 - u->beta_2);
    const real epsilon = R(MAX(u->epsilon, REAL_BITS == 32 ? FLT_MIN : DBL_MIN)); /* no 0 / 0 if it underflows */
    for (ptrdiff_t i = 0; i < count; i++) {
        v[i] = FN(fma)(beta_2, v[i], rest_2 * g[i] * g[i]);
        g[i] /= FN(square_root)(v[i]) + epsilon;
    }
}

/* Decoupled weight decay (Loshchilov & Hutter 2019) of theta (count) IN/OUT. */
static void FN(decay)(const fastnn_update *u, ptrdiff_t count, real *restrict theta)
{
    const real shrink = R(u->shrink);
    for (ptrdiff_t i = 0; i < count; i++) theta[i] *= shrink;
}

/* Does the rule divide g by its root mean square? */
FASTNN_INLINE int FN(uses_rms)(int rule)
{
#define RMS(name, ENUM, states, rms, step) rms,
    static const char uses[] = {FASTNN_FOR_EACH_RULE(RMS)};
#undef RMS
    return uses[rule];
}

static void FN(step)(const fastnn_update *u, ptrdiff_t count, const real *g, real *theta, real *first, real *second)
{
    switch (u->rule) {
#define STEP(name, ENUM, states, rms, step) \
    case FASTNN_##ENUM: FN(step)(u, count, g, theta, rms ? second : first, rms ? NULL : second); break;
        FASTNN_FOR_EACH_RULE(STEP)
#undef STEP
    }
}

/* The place in a state arena, which a rule may lack. */
FASTNN_INLINE real *FN(state_at)(real *state, ptrdiff_t i) { return state ? state + i : NULL; }

static double FN(update)(const fastnn_update *u, ptrdiff_t start, ptrdiff_t stop, const void *gradients_,
                         void *theta_, void *first_, void *second_)
{
    const real *gradients = gradients_;
    real *theta = theta_;
    real buffer[UPDATE_BLOCK];
    const int rms = FN(uses_rms)(u->rule);
    const int alone = u->n_shards == 1 && !(u->l1 > 0) && u->clip == 1 && !rms, unchanged = alone && !(u->l2 > 0);
    double penalty = 0;
    for (ptrdiff_t i = start; i < stop; i += UPDATE_BLOCK) {
        const ptrdiff_t end = MIN(stop, i + UPDATE_BLOCK), count = end - i;
        const real *g = gradients + i;
        real *first = FN(state_at)(first_, i), *second = FN(state_at)(second_, i);
        if (alone && u->l2 > 0 && u->rule == FASTNN_ADAM && u->shrink == 1 && end <= u->n_decayed) {
            penalty = fma_f64(0.5 * u->l2, FN(adam_with_l2)(u, count, g, theta + i, first, second), penalty);
            continue;
        }
        if (!unchanged) {
            penalty += FN(block_gradient)(u, i, end, gradients, theta, buffer);
            g = buffer;
        }
        if (rms) FN(divide_by_root_mean_square)(u, count, buffer, first);
        if (u->shrink != 1) FN(decay)(u, count, theta + i);
        FN(step)(u, count, g, theta + i, first, second);
    }
    return penalty;
}
#endif

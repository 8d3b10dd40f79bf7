/* What a compiler makes of the plain formulas: no care for zeros, for nearly equal p and q, or for
 * NaN.  Each function takes rows [from, to) of n numbers and returns the sum over them.  Compiled
 * with -O3 -ffast-math, which lets gcc take glibc's vector functions for exp and log. */
#include <math.h>
#include <stddef.h>

#define CEILING(T, NAME, LOG, EXP)                                                               \
    double read_##NAME(const T *p, const T *q, size_t from, size_t to, size_t n) {               \
        double total = 0;                                                                        \
        for (size_t row = from; row < to; row++) {                                               \
            T sum = 0;                                                                           \
            for (size_t i = row * n; i < (row + 1) * n; i++) sum += p[i] * q[i];                 \
            total += sum;                                                                        \
        }                                                                                        \
        return total;                                                                            \
    }                                                                                            \
    double probs_##NAME(const T *p, const T *q, size_t from, size_t to, size_t n) {              \
        double total = 0;                                                                        \
        for (size_t row = from; row < to; row++) {                                               \
            T sum = 0;                                                                           \
            for (size_t i = row * n; i < (row + 1) * n; i++) sum += p[i] * LOG(p[i] / q[i]);     \
            total += sum;                                                                        \
        }                                                                                        \
        return total;                                                                            \
    }                                                                                            \
    double logits_##NAME(const T *a, const T *b, size_t from, size_t to, size_t n) {             \
        double total = 0;                                                                        \
        for (size_t row = from; row < to; row++) {                                               \
            const T *x = a + row * n, *y = b + row * n;                                          \
            T top_x = x[0], top_y = y[0], mass_x = 0, mass_y = 0, sum = 0;                       \
            for (size_t i = 1; i < n; i++) {                                                     \
                top_x = x[i] > top_x ? x[i] : top_x;                                             \
                top_y = y[i] > top_y ? y[i] : top_y;                                             \
            }                                                                                    \
            for (size_t i = 0; i < n; i++) {                                                     \
                T weight = EXP(x[i] - top_x);                                                    \
                mass_x += weight;                                                                \
                mass_y += EXP(y[i] - top_y);                                                     \
                sum += weight * (x[i] - y[i]);                                                   \
            }                                                                                    \
            total += sum / mass_x - (top_x - top_y) - log((double)mass_x / mass_y);              \
        }                                                                                        \
        return total;                                                                            \
    }                                                                                            \
    double vae_##NAME(const T *m, const T *s, size_t from, size_t to, size_t n) {                \
        double total = 0;                                                                        \
        for (size_t row = from; row < to; row++) {                                               \
            T sum = 0;                                                                           \
            for (size_t i = row * n; i < (row + 1) * n; i++)                                     \
                sum += m[i] * m[i] + EXP(2 * s[i]) - 1 - 2 * s[i];                               \
            total += sum / 2;                                                                    \
        }                                                                                        \
        return total;                                                                            \
    }

CEILING(float, float32, logf, expf)
CEILING(double, float64, log, exp)

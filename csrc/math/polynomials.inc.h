/* polynomials.inc.h: the polynomials of vmath.inc.h: minimax fits (Remez), coefficients rounded to the type; the errors
 * include that rounding. */

/* e^r = 1 + (r + r^2 P(r)) on |r| <= ln(2)/2. float: degree 6, relative error 2^-28.2; double: degree 11, 2^-56.5. */
FASTNN_INLINE real FN(vm_exp_poly)(real r)
{
#if REAL_BITS == 32
    real p = 0.00138143613f;
    p = FN(fma)(p, r, 0.00836884789f);
    p = FN(fma)(p, r, 0.0416683219f);
    p = FN(fma)(p, r, 0.166665196f);
    p = FN(fma)(p, r, 0.49999994f);
#else
    real p = 2.4999984152849362e-08;
    p = FN(fma)(p, r, 2.7630379726944697e-07);
    p = FN(fma)(p, r, 2.7557587283514142e-06);
    p = FN(fma)(p, r, 2.4801492759583932e-05);
    p = FN(fma)(p, r, 0.0001984126950483085);
    p = FN(fma)(p, r, 0.0013888888943925847);
    p = FN(fma)(p, r, 0.008333333333495592);
    p = FN(fma)(p, r, 0.04166666666652918);
    p = FN(fma)(p, r, 0.1666666666666641);
    p = FN(fma)(p, r, 0.5000000000000011);
#endif
    return 1 + FN(fma)(r * r, p, r);
}

/* e^r - 1 = r + r^2 P(r) on -0.288 <= r <= 0.522. float: degree 7, relative error 2^-29.8;
 * double: degree 12, 2^-57.6. */
FASTNN_INLINE real FN(vm_expm1_poly)(real r)
{
#if REAL_BITS == 32
    real p = 0.000219291163f;
    p = FN(fma)(p, r, 0.00138918962f);
    p = FN(fma)(p, r, 0.00833069813f);
    p = FN(fma)(p, r, 0.0416667871f);
    p = FN(fma)(p, r, 0.166666746f);
#else
    real p = 2.323605295825234e-09;
    p = FN(fma)(p, r, 2.4986100566002406e-08);
    p = FN(fma)(p, r, 2.755338224304458e-07);
    p = FN(fma)(p, r, 2.755751126127111e-06);
    p = FN(fma)(p, r, 2.480158905486928e-05);
    p = FN(fma)(p, r, 0.00019841269681222066);
    p = FN(fma)(p, r, 0.0013888888888923497);
    p = FN(fma)(p, r, 0.008333333333385633);
    p = FN(fma)(p, r, 0.041666666666665575);
    p = FN(fma)(p, r, 0.16666666666666613);
#endif
    p = FN(fma)(p, r, (real)0.5);
    return FN(fma)(r * r, p, r);
}

/* R(z) / z with log(1 + f) = f - s (f - R), s = f / (2 + f), z = s^2 in [0, 0.02947]: R = (2 atanh(s) - 2 s) / s.
 * Error relative to log(1 + f): float, 3 terms, 2^-30.2; double, 7 terms, 2^-59.1. */
FASTNN_INLINE real FN(vm_log_poly)(real z)
{
#if REAL_BITS == 32
    real p = 0.298731923f;
    p = FN(fma)(p, z, 0.399775296f);
    p = FN(fma)(p, z, 0.666667759f);
#else
    real p = 0.14797508218137082;
    p = FN(fma)(p, z, 0.15313903211891272);
    p = FN(fma)(p, z, 0.18183569740495178);
    p = FN(fma)(p, z, 0.22222198475988242);
    p = FN(fma)(p, z, 0.2857142874326243);
    p = FN(fma)(p, z, 0.39999999999411096);
    p = FN(fma)(p, z, 0.6666666666666735);
#endif
    return p;
}

/* e^(-a^2 / 2) / Phi(-a) = 2 + a (sqrt(2 pi) - T(a)) on 0 <= a <= VM_NORMAL_MAX, T = P / Q falling from 0.911 to 0:
 * exactly 2 at 0, all coefficients positive, and a T(a) at most a fifth of the sum, so that the errors of P and Q
 * count little. float: degree 4 over 5, relative error 2^-29.0; double: degree 9 over 10, 2^-55.0. */
FASTNN_INLINE real FN(vm_normal_ratio)(real a)
{
#if REAL_BITS == 32
    real p = 0.00498405332f, q = 0.00249202689f;
    p = FN(fma)(p, a, 0.0534640215f);
    p = FN(fma)(p, a, 0.26701051f);
    p = FN(fma)(p, a, 0.716009319f);
    p = FN(fma)(p, a, 0.910859227f);
    q = FN(fma)(q, a, 0.0298555959f);
    q = FN(fma)(q, a, 0.170908675f);
    q = FN(fma)(q, a, 0.566292346f);
    q = FN(fma)(q, a, 1.08606231f);
#else
    real p = 1.1214191014339918e-06, q = 5.607095507169943e-07;
    p = FN(fma)(p, a, 3.243324749949238e-05);
    p = FN(fma)(p, a, 0.0004608646931034896);
    p = FN(fma)(p, a, 0.004164607944826964);
    p = FN(fma)(p, a, 0.0261880251905152);
    p = FN(fma)(p, a, 0.11848015807072912);
    p = FN(fma)(p, a, 0.3858105695569163);
    p = FN(fma)(p, a, 0.8755335677743362);
    p = FN(fma)(p, a, 1.2681336572649962);
    p = FN(fma)(p, a, 0.9108591530252697);
    q = FN(fma)(q, a, 1.691936895654471e-05);
    q = FN(fma)(q, a, 0.0002516376308680608);
    q = FN(fma)(q, a, 0.0023962794814681265);
    q = FN(fma)(q, a, 0.01605489301996128);
    q = FN(fma)(q, a, 0.07873816733368875);
    q = FN(fma)(q, a, 0.2857944550571416);
    q = FN(fma)(q, a, 0.758814348694732);
    q = FN(fma)(q, a, 1.416208881029536);
    q = FN(fma)(q, a, 1.6922190405407118);
#endif
    q = FN(fma)(q, a, 1);
    return FN(fma)(a, (real)2.50662827463100050 - p / q, 2);
}

/* sin(2 pi u) = u (2 pi + z P(z)), z = u^2, on 0 <= u <= 1/8. float: degree 7, relative error 2^-27.9; double:
 * degree 13, 2^-57.9; without the rounding of 2 pi. */
FASTNN_INLINE real FN(vm_sin2pi_poly)(real u, real z)
{
#if REAL_BITS == 32
    real p = -75.42754f;
    p = FN(fma)(p, z, 81.59343f);
    p = FN(fma)(p, z, -41.34167f);
#else
    real p = 3.7811238815632353;
    p = FN(fma)(p, z, -15.093818491753087);
    p = FN(fma)(p, z, 42.05868532699383);
    p = FN(fma)(p, z, -76.70585970743159);
    p = FN(fma)(p, z, 81.60524927596379);
    p = FN(fma)(p, z, -41.34170224039967);
#endif
    return u * FN(fma)(p, z, (real)6.283185307179586);
}

/* cos(2 pi u) = 1 + z P(z), z = u^2, on 0 <= u <= 1/8. float: degree 6, relative error 2^-24.6; double: degree 14,
 * 2^-61.4. */
FASTNN_INLINE real FN(vm_cos2pi_poly)(real z)
{
#if REAL_BITS == 32
    real p = -83.61791f;
    p = FN(fma)(p, z, 64.92221f);
    p = FN(fma)(p, z, -19.739162f);
#else
    real p = -1.6882977174580198;
    p = FN(fma)(p, z, 7.90262925725589);
    p = FN(fma)(p, z, -26.426241132193834);
    p = FN(fma)(p, z, 60.24464122723562);
    p = FN(fma)(p, z, -85.45681720598925);
    p = FN(fma)(p, z, 64.93939402266668);
    p = FN(fma)(p, z, -19.739208802178716);
#endif
    return FN(fma)(p, z, 1);
}

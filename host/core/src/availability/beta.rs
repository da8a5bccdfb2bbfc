//! Quantiles of the beta distribution.
//!
//! The incomplete beta function is the continued fraction DLMF 8.17.22 (<https://dlmf.nist.gov/8.17#v>), evaluated by
//! the modified Lentz method; the logarithm of the gamma function is Lanczos' approximation with g = 7 and nine terms.
//! The quantile is found by halving: it is asked for when somebody looks, never on a request's path. A statistics crate
//! would bring a linear algebra library for these sixty lines.

use std::f64::consts::PI;

/// Enough for ten million samples; beyond, the last approximation stands.
const MOST_TERMS: u32 = 20_000;
/// Halves the interval below the resolution of an `f64`.
const HALVINGS: u32 = 64;
/// Keeps Lentz' method off a division by zero.
const TINY: f64 = 1e-300;

/// The point below which a beta distribution has this share of its mass; `a` and `b` above zero.
pub(crate) fn quantile(share: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if cumulative(middle, a, b) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The mass of a beta distribution below `x`.
fn cumulative(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on the side of the mean; the other side is its mirror.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let held = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / held(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for term in 1..=MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / held(1.0 + coefficient * d);
            c = held(1.0 + coefficient / c);
            change = c * d;
            result *= change;
        }
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    result
}

/// Of the gamma function, for positive numbers.
fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let terms = TERMS.iter().zip(1_u32..).map(|(term, at)| term / (x + f64::from(at)));
    let sum = FIRST + terms.sum::<f64>();
    let t = x + G + 0.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gamma_function_is_that_of_the_tables() {
        for (x, expected) in
            [(0.5, 0.572_364_942_924_700_1), (1.0, 0.0), (5.0, 24_f64.ln()), (10.5, 13.940_625_219_403_763)]
        {
            assert!((ln_gamma(x) - expected).abs() < 1e-12, "{x}: {}", ln_gamma(x));
        }
    }

    /// Closed forms: the uniform one, powers, their mirrors, the arcsine distribution.
    #[test]
    fn quantiles_equal_the_closed_forms() {
        for share in [0.001, 0.025, 0.5, 0.975, 0.999] {
            let arcsine: f64 = (PI * share / 2.0).sin().powi(2);
            for (a, b, expected) in [
                (1.0, 1.0, share),
                (3.0, 1.0, share.powf(1.0 / 3.0)),
                (1.0, 250.0, 1.0 - (1.0 - share).powf(1.0 / 250.0)),
                (0.5, 0.5, arcsine),
            ] {
                let got = quantile(share, a, b);
                assert!((got - expected).abs() < 1e-9, "{share} of ({a}, {b}): {got}, not {expected}");
            }
        }
    }

    #[test]
    fn large_counts_are_as_narrow_as_the_normal_distribution_says() {
        for (good, bad) in [(7_000.0, 3_000.0), (500_000.0, 500_000.0), (9_000_000.0, 1_000_000.0)] {
            let n: f64 = good + bad;
            let (mean, sd) = (good / n, (good / n * bad / n / n).sqrt());
            for (share, z) in [(0.025, -1.959_964), (0.975, 1.959_964)] {
                let off = (quantile(share, good, bad) - (mean + z * sd)) / sd;
                assert!(off.abs() < 0.02, "{good} of {n}: {off} standard deviations");
            }
        }
    }
}

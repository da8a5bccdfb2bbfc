//! Vectors that depend on the text alone and put texts with the same words near each other: hashed words, normalised.

use serde_json::Value;

use crate::answer::text::prompt_tokens;
use crate::ask::count;
use crate::seed::mix;
use crate::trouble::Trouble;

pub(crate) const MOST_TEXTS: usize = 2_048;
const USUAL_DIMENSIONS: usize = 256;
const MOST_DIMENSIONS: usize = 4_096;
const MOST_NUMBERS: usize = 1 << 20;

/// The wanted length of vectors, or the usual one.
pub(crate) fn dimensions(wanted: &Value) -> Result<usize, Trouble> {
    if wanted.is_null() {
        return Ok(USUAL_DIMENSIONS);
    }
    let fits = count(wanted).filter(|wanted| (1..=MOST_DIMENSIONS).contains(wanted));
    fits.ok_or_else(|| Trouble::bad("Invalid value for 'dimensions'.", "dimensions"))
}

/// All vectors, if that many may be asked for at once.
pub(crate) fn vectors(texts: &[String], dimensions: usize) -> Result<Vec<Vec<f32>>, Trouble> {
    if texts.len().saturating_mul(dimensions) > MOST_NUMBERS {
        return Err(Trouble::bad("Too many inputs of too many dimensions for one request.", "input"));
    }
    Ok(texts.iter().map(|text| vector(text, dimensions)).collect())
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f32; dimensions];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut state = word.bytes().fold(0, |state, byte| mix(state ^ u64::from(byte)));
        for _ in 0..4 {
            state = mix(state);
            let place = usize::try_from(state >> 1).unwrap_or_default() % dimensions.max(1);
            if let Some(sum) = sums.get_mut(place) {
                *sum += if state & 1 == 0 { 1.0 } else { -1.0 };
            }
        }
    }
    let length = sums.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        sums.iter_mut().for_each(|x| *x /= length);
    } else if let Some(first) = sums.first_mut() {
        *first = 1.0;
    }
    sums
}

pub(crate) fn tokens(texts: &[String]) -> usize {
    texts.iter().map(|text| prompt_tokens(text)).sum()
}

/// Little-endian floats in base64, as official clients ask for them.
pub(crate) fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            text.push(if place <= group.len() { digit(bits >> (18 - 6 * place)) } else { '=' });
        }
    }
    text
}

fn digit(bits: u32) -> char {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    DIGITS.get((bits & 63) as usize).map_or('=', |digit| char::from(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        for (vector, expect) in [
            (vec![1.0], "AACAPw=="),
            (vec![1.0, -2.5], "AACAPwAAIMA="),
            (vec![0.0, 1.0, 3.0], "AAAAAAAAgD8AAEBA"),
        ] {
            assert_eq!(base64(&vector), expect);
        }
    }

    #[test]
    fn like_texts_are_near() {
        let near = |a: &str, b: &str| {
            let (a, b) = (vector(a, 256), vector(b, 256));
            a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>()
        };
        assert!(near("How tall is the tower?", "how tall is the tower") > 0.99);
        assert!(near("how tall is the tower", "bake bread without yeast") < 0.3);
        assert!(vector("", 3).iter().all(|x| x.is_finite()));
    }
}

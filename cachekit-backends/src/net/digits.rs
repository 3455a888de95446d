//! Numbers as text.

/// The most digits of a number.
const DIGITS: usize = 20;

/// Appends a number in decimal digits. `write!` takes ten times as long.
pub(crate) fn put_decimal(out: &mut Vec<u8>, mut number: u64) {
    let (mut digits, mut from) = ([b'0'; DIGITS], DIGITS);
    loop {
        from -= 1;
        let digit = (number % 10) as u8;
        digits[from] = b'0' + digit;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[from..]);
        }
    }
}

/// Returns how many digits a number has.
#[cfg(feature = "redis")]
pub(crate) fn decimal_len(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
            let mut out = b"n".to_vec();
            put_decimal(&mut out, number);
            assert_eq!(out, format!("n{number}").as_bytes());
            #[cfg(feature = "redis")]
            assert_eq!(decimal_len(number), number.to_string().len());
        }
    }
}

//! Numbers for people.

use std::time::Duration;

/// `12345678` as `12 345 678`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 chunk`, `2 000 chunks`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(n))
}

/// The shortest decimal number that reads back as `value`; with an exponent where the digits would
/// be mostly zeros.
pub(super) fn decimal(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-5..1e16).contains(&size) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// A part of a whole in per cent, rounded down: what is not whole is never 100.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{} %", permille / 10, permille % 10)
}

/// A rate per second: whole from 10 on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive, and a cast of a large one saturates"
)]
pub(super) fn rate(per_second: f64) -> String {
    if per_second >= 10.0 { grouped(per_second as u64) } else { format!("{per_second:.2}") }
}

/// A span of time in two units.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(10_000_000), "10 000 000");
        let decimals = [0.0, -0.41, 5_000_355_000.0, 1e16, -1.5e308, 5e-324].map(decimal);
        let expected = ["0", "-0.41", "5000355000", "1e16", "-1.5e308", "5e-324"];
        assert_eq!(decimals, expected);
        let parts = [percent(0, 0), percent(9_999, 10_000), percent(7, 7), percent(1, 8)];
        assert_eq!(parts, ["0.0 %", "99.9 %", "100.0 %", "12.5 %"]);
        assert_eq!((rate(0.5), rate(12_345.6)), ("0.50".into(), "12 345".into()));
        assert_eq!(span(Duration::from_millis(1_234)), "1.23 s");
        assert_eq!(span(Duration::from_secs(83)), "1 min 23 s");
        assert_eq!(span(Duration::from_hours(49)), "2 d 1 h");
    }
}

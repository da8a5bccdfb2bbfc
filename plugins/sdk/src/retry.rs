//! Retry hints. A plugin has no clock: an HTTP date is measured against the reply's own `date` header.

use crate::adapter::Header;
use crate::headers::get;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Longest hint passed on, in ms (seven days); more is no hint but a refusal, and the host caps further.
const LONGEST_MS: f64 = 7.0 * 86_400_000.0;

/// The provider's hint in ms: `retry-after-ms`, `retry-after` (seconds, with fractions, or an HTTP date), else the
/// latest reset among the rate-limit headers whose remainder is 0. Anything unreadable is no hint.
pub fn hint_ms(headers: &[Header]) -> Option<u64> {
    let exact = get(headers, "retry-after-ms").and_then(|value| whole_ms(value.trim().parse().ok()?));
    let plain = || get(headers, "retry-after").and_then(|value| retry_after_ms(value, get(headers, "date")));
    exact.or_else(plain).or_else(|| reset_ms(headers))
}

/// The value of a `retry-after` header in ms; `date` is the reply's own `date` header.
pub fn retry_after_ms(value: &str, date: Option<&str>) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return whole_ms(seconds * 1000.0);
    }
    if let Some(ms) = duration_ms(value) {
        return Some(ms);
    }
    let until = http_date(value)?;
    let now = http_date(date?)?;
    whole_ms(until.saturating_sub(now).max(0) as f64 * 1000.0)
}

fn reset_ms(headers: &[Header]) -> Option<u64> {
    const PREFIXES: [&str; 2] = ["x-ratelimit-", "ratelimit-"];
    const SUFFIXES: [&str; 3] = ["-requests", "-tokens", ""];
    let names = PREFIXES.iter().flat_map(|prefix| SUFFIXES.iter().map(move |suffix| (prefix, suffix)));
    let resets = names.filter_map(|(prefix, suffix)| {
        let remaining = get(headers, &format!("{prefix}remaining{suffix}"))?;
        let empty = remaining.trim().parse::<f64>().is_ok_and(|left| left <= 0.0);
        let reset = get(headers, &format!("{prefix}reset{suffix}")).filter(|_| empty)?;
        moment_ms(reset.trim(), get(headers, "date"))
    });
    resets.max()
}

/// A reset: a duration, seconds, or a moment in Unix seconds or ms (measured against `date`).
fn moment_ms(value: &str, date: Option<&str>) -> Option<u64> {
    const SURELY_A_MOMENT: f64 = 1e9;
    const SURELY_MS: f64 = 1e11;
    let Ok(number) = value.parse::<f64>() else { return duration_ms(value) };
    if number < SURELY_A_MOMENT {
        return whole_ms(number * 1000.0);
    }
    let until = if number < SURELY_MS { number * 1000.0 } else { number };
    let now = http_date(date?)? as f64 * 1000.0;
    whole_ms((until - now).max(0.0))
}

/// A duration as providers write it: `12ms`, `1s`, `22s`, `6m0s`, `2m59.56s`, `1h2m3s`, `1d2h`.
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|end| *end > 0)?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at_checked(unit_end)?;
        let factor = match unit {
            "us" | "µs" => 0.001,
            "ms" => 1.0,
            "s" => 1000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    whole_ms(total)
}

/// Whole ms, rounded up, so that a hint is never shortened.
fn whole_ms(ms: f64) -> Option<u64> {
    (ms.is_finite() && ms >= 0.0).then(|| ms.min(LONGEST_MS).ceil() as u64)
}

/// Unix seconds of an HTTP date in its usual form (`Sun, 06 Nov 1994 08:49:37 GMT`).
pub fn http_date(text: &str) -> Option<i64> {
    let (_, rest) = text.trim().split_once(", ")?;
    let mut parts = rest.split_ascii_whitespace();
    let day: i64 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month).and_then(|at| i64::try_from(at).ok())? + 1;
    let year: i64 = parts.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts.next()?.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    let zone_is_gmt = parts.next() == Some("GMT");
    (in_range && zone_is_gmt)
        .then(|| days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01, in the proleptic Gregorian calendar; years are counted from March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_TO_EPOCH: i64 = 719_468;
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_EPOCH
}

/// Writes Unix seconds as an HTTP date (`Sun, 06 Nov 1994 08:49:37 GMT`).
pub fn write_http_date(seconds: u64) -> String {
    // The last second that the form can hold, 9999-12-31 23:59:59.
    let seconds = seconds.min(253_402_300_799);
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    let (year, month, day) = date_of(days);
    let (weekday, month) = (name(&WEEKDAYS, days % 7), name(&MONTHS, month - 1));
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month (1 to 12) and day of a number of days from 1970-01-01.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;

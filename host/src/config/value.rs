//! Readers of single values: strings with variables filled in, durations, sizes, addresses, URLs.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::interpolate::interpolate;
use super::reader::{At, Context, wrong_type};
use super::{LogFormat, Problem};

type Read<T> = Result<T, Problem>;
type Item<'a, 'i> = &'a Spanned<DeValue<'i>>;

/// No time limit may be longer: a typo in a unit should not hold connections for days.
const LONGEST: Duration = Duration::from_secs(3600);
/// No body or event may be larger: it has to fit in memory, once per request.
const LARGEST: usize = 1 << 30;
/// Ten years, in seconds.
const LONGEST_AGE_S: u64 = 10 * 365 * 86_400;

/// A string with its variables filled in.
pub(super) fn string(context: &Context<'_>, item: Item<'_, '_>) -> Read<String> {
    match item.get_ref() {
        DeValue::String(text) => interpolate(text, context.env),
        other => Err(wrong_type("a string", other)),
    }
}

/// A string that says something.
pub(super) fn non_empty(context: &Context<'_>, item: Item<'_, '_>) -> Read<String> {
    let text = string(context, item)?;
    if text.trim().is_empty() {
        Err(Problem::new("empty-value", "must not be empty").fix("give it a value, or remove the line"))
    } else {
        Ok(text)
    }
}

/// true or false.
pub(super) fn boolean(_: &Context<'_>, item: Item<'_, '_>) -> Read<bool> {
    item.get_ref().as_bool().ok_or_else(|| wrong_type("true or false", item.get_ref()))
}

/// A finite number, whole or not.
pub(super) fn number(_: &Context<'_>, item: Item<'_, '_>) -> Read<f64> {
    let text = match item.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        other => return Err(wrong_type("a number", other)),
    };
    let parsed: Option<f64> = text.parse().ok();
    parsed
        .filter(|number| number.is_finite())
        .ok_or_else(|| Problem::new("bad-number", "not a finite number").fix("an ordinary number: 2 or 0.5"))
}

/// A price; free is a price.
pub(super) fn price(context: &Context<'_>, item: Item<'_, '_>) -> Read<f64> {
    number(context, item).and_then(|price| match price {
        p if p >= 0.0 => Ok(p),
        _ => Err(Problem::new("bad-number", "a price cannot be negative")
            .fix("US dollars for a million tokens, 0 for free")),
    })
}

/// From nothing to all.
pub(super) fn percent(context: &Context<'_>, item: Item<'_, '_>) -> Read<f64> {
    number(context, item).and_then(|percent| match percent {
        p if (0.0..=100.0).contains(&p) => Ok(p),
        _ => {
            Err(Problem::new("bad-number", format!("{percent} is no percentage"))
                .fix("a number from 0 to 100"))
        }
    })
}

/// A share of traffic.
pub(super) fn weight(context: &Context<'_>, item: Item<'_, '_>) -> Read<f64> {
    number(context, item).and_then(|weight| match weight {
        w if w > 0.0 => Ok(w),
        _ => Err(Problem::new("bad-number", "a weight must be above zero")
            .fix("remove the target if it should get nothing")),
    })
}

/// A part of the whole, above zero.
pub(super) fn share(context: &Context<'_>, item: Item<'_, '_>) -> Read<f64> {
    number(context, item).and_then(|share| match share {
        s if s > 0.0 && s <= 1.0 => Ok(s),
        _ => Err(Problem::new("bad-number", format!("{share} is not a share"))
            .fix("above 0 and at most 1: 0.5 is half")),
    })
}

/// A count of tokens.
pub(super) fn tokens(_: &Context<'_>, item: Item<'_, '_>) -> Read<u32> {
    let tokens = integer(item.get_ref())?;
    u32::try_from(tokens).ok().filter(|tokens| *tokens > 0).ok_or_else(|| {
        Problem::new("bad-number", format!("{tokens} is not a count of tokens"))
            .fix(format!("a whole number from 1 to {}", u32::MAX))
    })
}

/// A whole number within bounds.
pub(super) fn count(item: Item<'_, '_>, least: usize, most: usize) -> Read<usize> {
    let number = integer(item.get_ref())?;
    usize::try_from(number).ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        Problem::new("bad-number", format!("{number} is out of range"))
            .fix(format!("a whole number from {least} to {most}"))
    })
}

/// Bytes: a number, or text such as "32MiB".
pub(super) fn size(context: &Context<'_>, item: Item<'_, '_>) -> Read<usize> {
    const UNITS: [(&str, usize); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
    let bad = |what: &str| Problem::new("bad-size", what).fix("bytes as a number, or text such as \"32MiB\"");
    let bytes = match item.get_ref() {
        DeValue::String(_) => {
            let text = string(context, item)?;
            let split = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
            let (digits, factor) = split.unwrap_or((&text, 1));
            let number: Option<usize> = digits.trim().parse().ok();
            number
                .and_then(|number| number.checked_mul(factor))
                .ok_or_else(|| bad(&format!("`{text}` is not a size")))?
        }
        other => usize::try_from(integer(other)?).map_err(|_| bad("a size cannot be negative"))?,
    };
    match bytes {
        0 => Err(bad("a size of zero lets nothing through")),
        LARGEST.. if bytes > LARGEST => Err(bad("larger than 1GiB, which would have to fit in memory")),
        _ => Ok(bytes),
    }
}

/// A time limit: "250ms", "2s", "1m", "1h"; above zero, at most an hour.
pub(super) fn duration(context: &Context<'_>, item: Item<'_, '_>) -> Read<Duration> {
    let bad = |what: String| {
        Problem::new("bad-duration", what).fix("a number and a unit: \"250ms\", \"2s\", \"1m\"")
    };
    if let DeValue::Integer(number) = item.get_ref() {
        return Err(bad(format!("{} has no unit", number.as_str())));
    }
    let text = string(context, item)?;
    let parsed = parse_duration(&text).ok_or_else(|| bad(format!("`{text}` is not a duration")))?;
    if parsed.is_zero() {
        return Err(bad("a time limit of zero would fail every request".into()));
    }
    if parsed > LONGEST {
        return Err(bad(format!("`{text}` is longer than an hour")));
    }
    Ok(parsed)
}

/// How long something is kept: "12h", "30d".
pub(super) fn age(context: &Context<'_>, item: Item<'_, '_>) -> Read<Duration> {
    const UNITS: [(&str, u64); 3] = [("m", 60), ("h", 3_600), ("d", 86_400)];
    let text = string(context, item)?;
    let read = UNITS.iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*seconds).filter(|seconds| (1..=LONGEST_AGE_S).contains(seconds))
    });
    read.map(Duration::from_secs).ok_or_else(|| {
        Problem::new("bad-age", format!("`{text}` is no time to keep something for"))
            .fix("a whole number and a unit: \"90m\", \"12h\", \"30d\"; at most ten years")
    })
}

/// Bytes on disk: a number, or text such as "10GiB".
pub(super) fn storage(context: &Context<'_>, item: Item<'_, '_>, least: u64) -> Read<u64> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    let bytes = match item.get_ref() {
        DeValue::String(_) => {
            let text = string(context, item)?;
            let read = UNITS.iter().find_map(|(unit, factor)| {
                text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor)
            });
            read.ok_or_else(|| format!("`{text}` is no size"))
        }
        other => {
            integer(other).map(|bytes| u64::try_from(bytes).unwrap_or(0)).map_err(|_| "no size".to_owned())
        }
    };
    bytes
        .and_then(|bytes| if bytes < least { Err(format!("less than {least} bytes")) } else { Ok(bytes) })
        .map_err(|what| {
            Problem::new("bad-size", what).fix("bytes as a number, or text such as \"512MiB\" or \"10GiB\"")
        })
}

fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (digits, seconds) =
        UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = digits.parse().ok().filter(|_| plain)?;
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// An address to listen at.
pub(super) fn listen(context: &Context<'_>, item: Item<'_, '_>) -> Read<SocketAddr> {
    let text = string(context, item)?;
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let fix = match port {
            Some(port) if text.starts_with(':') => {
                format!("write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for every interface")
            }
            Some(port) => {
                format!("names are not looked up here: write \"127.0.0.1:{port}\" or \"[::1]:{port}\"")
            }
            None => "an IP address and a port: \"127.0.0.1:8080\"".to_owned(),
        };
        Problem::new("bad-address", format!("`{text}` is not an address to listen at")).fix(fix)
    })
}

/// Where a provider's API begins, version included; slashes at the end are dropped.
pub(super) fn base_url(context: &Context<'_>, item: Item<'_, '_>) -> Read<String> {
    let text = string(context, item)?;
    let bad = |what: &str| {
        Problem::new("bad-url", format!("the base URL {what}"))
            .fix("scheme, host and the API's path with its version: \"https://host.example/v1\"")
    };
    if text.contains('?') || text.contains('#') {
        // A key in a query is the usual reason.
        context.hide(item.span());
        return Err(bad("has a query or a fragment"));
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(bad("is neither http:// nor https://"));
    }
    let uri: http::Uri = text.parse().map_err(|_| bad("cannot be read"))?;
    match uri.authority() {
        Some(host) if host.as_str().contains('@') => {
            context.hide(item.span());
            Err(bad("holds a user name or password").fix("use `credential = { env = \"NAME\" }`"))
        }
        Some(host) if !host.host().is_empty() => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(bad("has no host")),
    }
}

/// How log lines look.
pub(super) fn log_format(context: &Context<'_>, item: Item<'_, '_>) -> Read<LogFormat> {
    choice(context, item, &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)])
}

/// Which name stands in answers; true = the alias.
pub(super) fn report_model(context: &Context<'_>, item: Item<'_, '_>) -> Read<bool> {
    choice(context, item, &[("alias", true), ("upstream", false)])
}

/// One of these words.
pub(super) fn choice<T: Copy>(context: &Context<'_>, item: Item<'_, '_>, choices: &[(&str, T)]) -> Read<T> {
    let text = string(context, item)?;
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        Problem::new("bad-choice", format!("`{text}` is not one of the choices"))
            .fix(format!("choose {}", names.join(" or ")))
    })
}

/// A list of words of the operator's choice.
pub(super) fn names(context: &Context<'_>, item: Item<'_, '_>) -> Read<Vec<At<String>>> {
    let DeValue::Array(items) = item.get_ref() else {
        return Err(wrong_type("a list of names", item.get_ref()).fix("put it in brackets: [\"name\"]"));
    };
    let name = |item: &Spanned<DeValue<'_>>| {
        let name = non_empty(context, item).map_err(|problem| problem.or_at(&item.span()))?;
        Ok(At { value: name, at: item.span() })
    };
    items.iter().map(name).collect()
}

/// Settings of a plugin: a table, as JSON, with variables filled in at every depth.
pub(super) fn settings(context: &Context<'_>, item: Item<'_, '_>) -> Read<String> {
    match item.get_ref() {
        DeValue::Table(_) => Ok(json(context, item)?.to_string()),
        other => Err(wrong_type("a table", other)),
    }
}

/// The parser bounds the depth, so recursion is safe.
fn json(context: &Context<'_>, item: Item<'_, '_>) -> Read<Value> {
    let value = match item.get_ref() {
        DeValue::String(_) => {
            Value::String(string(context, item).map_err(|problem| problem.or_at(&item.span()))?)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(_) => {
            Value::Number(integer(item.get_ref()).map_err(|problem| problem.or_at(&item.span()))?.into())
        }
        DeValue::Float(_) => {
            let number = number(context, item).map_err(|problem| problem.or_at(&item.span()))?;
            Number::from_f64(number).map_or(Value::Null, Value::Number)
        }
        DeValue::Datetime(value) => Value::String(value.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json(context, item)).collect::<Read<_>>()?)
        }
        DeValue::Table(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), json(context, value)?)))
                .collect::<Read<Map<_, _>>>()?,
        ),
    };
    Ok(value)
}

fn integer(value: &DeValue<'_>) -> Read<i64> {
    let DeValue::Integer(number) = value else { return Err(wrong_type("a whole number", value)) };
    i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| {
        Problem::new("bad-number", format!("{} is out of range", number.as_str())).fix("a smaller number")
    })
}

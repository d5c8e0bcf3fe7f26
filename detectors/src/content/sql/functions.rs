//! Functions of constants that attackers build texts with. Places count characters from 1, as in both dialects.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::fold::{Constant, UNKNOWN};
use super::token::Dialect;

/// Whether a name is that of a function known here.
pub fn is_known(name: &str) -> bool {
    matches!(
        name,
        "char"
            | "nchar"
            | "chr"
            | "concat"
            | "concat_ws"
            | "replace"
            | "reverse"
            | "lower"
            | "upper"
            | "ltrim"
            | "rtrim"
            | "trim"
            | "btrim"
            | "convert"
            | "try_convert"
            | "cast"
            | "try_cast"
            | "substring"
            | "substr"
            | "left"
            | "right"
            | "stuff"
            | "space"
            | "replicate"
            | "repeat"
            | "isnull"
            | "coalesce"
            | "quotename"
            | "quote_literal"
            | "translate"
            | "decode"
            | "convert_from"
            | "format"
            | "formatmessage"
            | "choose"
            | "iif"
    )
}

/// Base64 or hexadecimal digits; blanks between them do not count.
pub fn decode(text: &str, format: &str) -> Option<Vec<u8>> {
    let plain: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    match format {
        "base64" => BASE64.decode(&plain).ok(),
        "hex" => HEXLOWER_PERMISSIVE.decode(plain.strip_prefix(b"0x").unwrap_or(&plain)).ok(),
        _ => None,
    }
}

/// The value of a function, where it is constant and not longer than `max`. `to_bytes`: a conversion to binary.
pub fn apply(name: &str, arguments: Vec<Option<Constant>>, dialect: Dialect, to_bytes: bool, max: usize) -> Option<Constant> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let count = |value: Constant| value.to_number().and_then(|number| usize::try_from(number).ok());
    let text = match name {
        "char" | "nchar" | "chr" => char::from_u32(u32::try_from(next()?.to_number()?).ok()?)?.to_string(),
        "concat" => {
            if arguments.as_slice().iter().all(Option::is_none) {
                return None;
            }
            arguments.map(|part| part.map_or_else(|| UNKNOWN.to_owned(), Constant::into_text)).collect()
        }
        "concat_ws" => {
            let between = next()?.into_text();
            let parts: Vec<String> = arguments.map(|part| part.map_or_else(|| UNKNOWN.to_owned(), Constant::into_text)).collect();
            if between.len().saturating_mul(parts.len()) > max {
                return None;
            }
            parts.join(&between)
        }
        "replace" => {
            let (text, from, to) = (next()?.into_text(), next()?.into_text(), next()?.into_text());
            if from.is_empty() {
                return None;
            }
            replace(&text, &from, &to, dialect, max)?
        }
        "translate" => {
            let (text, from, to) = (next()?.into_text(), next()?.into_text(), next()?.into_text());
            if from.len() > 256 {
                return None;
            }
            let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
            let mapped = |character: char| match from.iter().position(|known| *known == character) {
                Some(at) => to.get(at).copied(),
                None => Some(character),
            };
            text.chars().filter_map(mapped).collect()
        }
        "reverse" => next()?.into_text().chars().rev().collect(),
        "lower" => next()?.into_text().to_lowercase(),
        "upper" => next()?.into_text().to_uppercase(),
        "ltrim" | "rtrim" | "trim" | "btrim" => next()?.into_text().trim().to_owned(),
        "substring" | "substr" => {
            let (text, from) = (next()?.into_text(), count(next()?)?);
            let len = next().map_or(Some(usize::MAX), count)?;
            text.chars().skip(from.saturating_sub(1)).take(len).collect()
        }
        "left" => {
            let (text, len) = (next()?.into_text(), count(next()?)?);
            text.chars().take(len).collect()
        }
        "right" => {
            let (text, len) = (next()?.into_text(), count(next()?)?);
            text.chars().skip(text.chars().count().saturating_sub(len)).collect()
        }
        "stuff" => {
            let (text, from, len, with) = (next()?.into_text(), count(next()?)?, count(next()?)?, next()?.into_text());
            let from = from.checked_sub(1)?;
            text.chars().take(from).chain(with.chars()).chain(text.chars().skip(from.saturating_add(len))).collect()
        }
        "space" => " ".repeat(count(next()?).filter(|times| *times <= max)?),
        "replicate" | "repeat" => {
            let text = next()?.into_text();
            let times = count(next()?)?;
            if text.len().saturating_mul(times) > max {
                return None;
            }
            text.repeat(times)
        }
        "quotename" => format!("[{}]", next()?.into_text()),
        "quote_literal" => format!("'{}'", next()?.into_text().replace('\'', "''")),
        // PostgreSQL: `%s`, `%I`, `%L`, each perhaps with a place (`%1$s`). T-SQL's FORMATMESSAGE: as `printf`.
        "format" | "formatmessage" => format(&next()?.into_text(), &arguments.collect::<Vec<_>>(), max)?,
        "choose" => {
            let place = count(next()?)?;
            return arguments.nth(place.checked_sub(1)?).flatten();
        }
        "cast" | "try_cast" => return next(),
        // Whether a value that is not known is NULL, nobody says: the first that is known.
        "isnull" | "coalesce" => return arguments.flatten().next(),
        // Which of the two, too: the first of them that is known.
        "iif" => return arguments.skip(1).flatten().next(),
        "convert_from" => {
            let text = next()?.into_text();
            // The text form of `bytea`.
            let bytes = text.strip_prefix("\\x").and_then(|digits| decode(&digits.to_lowercase(), "hex"));
            return Some(Constant::Text(bytes.map_or(text, |bytes| String::from_utf8_lossy(&bytes).into_owned())));
        }
        "decode" => {
            let (text, format) = (next()?.into_text(), next()?.into_text());
            return decode(&text, &format.to_lowercase()).map(Constant::Bytes);
        }
        "convert" | "try_convert" => {
            let value = next()?;
            // Styles 1 and 2: the text is the hexadecimal digits of the bytes.
            let is_hex = to_bytes && next().and_then(|style| style.to_number()).is_some_and(|style| style == 1 || style == 2);
            return match value {
                Constant::Text(text) if is_hex => decode(&text.to_lowercase(), "hex").map(Constant::Bytes),
                other => Some(other),
            };
        }
        _ => return None,
    };
    (text.len() <= max).then_some(Constant::Text(text))
}

/// `REPLACE`: T-SQL goes by the collation, which minds no case as a rule.
fn replace(text: &str, from: &str, to: &str, dialect: Dialect, max: usize) -> Option<String> {
    let (lower, folded);
    let (haystack, needle) = if dialect == Dialect::TransactSql {
        (lower, folded) = (text.to_ascii_lowercase(), from.to_ascii_lowercase());
        (lower.as_str(), folded.as_str())
    } else {
        (text, from)
    };
    let mut out = String::new();
    let mut copied = 0;
    for (at, found) in haystack.match_indices(needle) {
        out.push_str(text.get(copied..at)?);
        out.push_str(to);
        copied = at + found.len();
        if out.len() > max {
            return None;
        }
    }
    out.push_str(text.get(copied..)?);
    Some(out)
}

fn format(pattern: &str, arguments: &[Option<Constant>], max: usize) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern;
    let mut place = 0;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(behind) = after.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let digits = after.find(|character: char| !matches!(character, '0'..='9' | '-' | '+' | '#' | ' ')).unwrap_or(after.len());
        let (flags, behind) = after.split_at_checked(digits)?;
        let behind = match behind.strip_prefix('$') {
            Some(behind) => {
                place = flags.parse::<usize>().ok()?.checked_sub(1)?;
                behind
            }
            None => behind,
        };
        let mut characters = behind.chars();
        let kind = characters.next();
        rest = characters.as_str();
        let value = arguments.get(place).cloned().flatten().map_or_else(|| UNKNOWN.to_owned(), Constant::into_text);
        place += 1;
        match kind {
            Some('L') => out.push_str(&format!("'{}'", value.replace('\'', "''"))),
            _ => out.push_str(&value),
        }
        if out.len() > max {
            return None;
        }
    }
    out.push_str(rest);
    Some(out)
}

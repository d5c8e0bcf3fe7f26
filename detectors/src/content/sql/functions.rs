//! Functions of constants that attackers build texts with. Places count characters from 1, as in both dialects.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::fold::Constant;

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
pub fn apply(name: &str, arguments: Vec<Option<Constant>>, to_bytes: bool, max: usize) -> Option<Constant> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let count = |value: Constant| value.to_number().and_then(|number| usize::try_from(number).ok());
    let text = match name {
        "char" | "nchar" | "chr" => char::from_u32(u32::try_from(next()?.to_number()?).ok()?)?.to_string(),
        "concat" => arguments.map(|part| part.map(Constant::into_text)).collect::<Option<String>>()?,
        "concat_ws" => {
            let between = next()?.into_text();
            let parts = arguments.map(|part| part.map(Constant::into_text)).collect::<Option<Vec<_>>>()?;
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
            let found = text.matches(&from).count();
            if text.len().saturating_add(found.saturating_mul(to.len())) > max {
                return None;
            }
            text.replace(&from, &to)
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
        // PostgreSQL: `%s`, `%I` and `%L` take the next argument.
        "format" => {
            let pattern = next()?.into_text();
            let mut out = String::new();
            let mut pieces = pattern.split('%');
            out.push_str(pieces.next().unwrap_or_default());
            for piece in pieces {
                let mut characters = piece.chars();
                match characters.next() {
                    Some('s' | 'I') => out.push_str(&next()?.into_text()),
                    Some('L') => out.push_str(&format!("'{}'", next()?.into_text().replace('\'', "''"))),
                    Some(other) => out.push(other),
                    None => out.push('%'),
                }
                out.push_str(characters.as_str());
                if out.len() > max {
                    return None;
                }
            }
            out
        }
        "isnull" | "coalesce" | "cast" | "try_cast" => return next(),
        "convert_from" => return next().map(|value| Constant::Text(value.into_text())),
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

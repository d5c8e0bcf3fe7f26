//! Values as people write them: `64MiB`, `30s`, `10.0.0.0/8`, a name. Each says what it expected.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use backstop_capture::tcp::OverlapPolicy;
use ipnet::IpNet;
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, SeqAccess, Visitor};

use crate::eve::Types;
use crate::files::Which;
use crate::pipeline::SHARDS;

/// Reads a value from text, or from a whole number where `number` says how.
struct FromText<T> {
    expected: &'static str,
    text: fn(&str) -> Result<T, String>,
    number: Option<fn(u64) -> Result<T, String>>,
}

impl<'de, T> Visitor<'de> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text.trim()).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        match self.number {
            Some(from) => from(number).map_err(E::custom),
            None => Err(E::invalid_type(de::Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }
}

macro_rules! human {
    ($name:ident, $expected:literal, $text:expr, $number:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FromText { expected: $expected, text: $text, number: $number })
            }
        }
    };
}

/// A network, or one address.
#[derive(Clone, Copy, Debug)]
pub struct Net(pub IpNet);

human!(
    Net,
    "an address or a network such as \"10.0.0.0/8\"",
    |text| {
        IpNet::from_str(text)
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
            .map(|net| Self(net.trunc()))
            .map_err(|_| format!("\"{text}\" is neither an address nor a network such as 10.0.0.0/8"))
    },
    None
);

/// Paths: a list, or one.
#[derive(Clone, Debug, Default)]
pub struct Paths(pub Vec<PathBuf>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub usize);

const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
];

human!(
    Size,
    "a size such as \"64MiB\", or bytes",
    |text| {
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit = unit.trim().to_ascii_lowercase();
        let factor = UNITS.iter().find(|(known, _)| *known == unit).map(|&(_, factor)| factor);
        let bytes = digits.parse::<u64>().ok().zip(factor).and_then(|(count, factor)| count.checked_mul(factor));
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is no size such as 64MiB"))
    },
    Some(|bytes| usize::try_from(bytes).map(Self).map_err(|error| error.to_string()))
);

/// A time span.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

human!(
    Span,
    "a time span such as \"30s\", or seconds",
    |text| {
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let millis = match unit.trim() {
            "ms" => Some(1),
            "" | "s" => Some(1_000),
            "m" | "min" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        let total = digits.parse::<u64>().ok().zip(millis).and_then(|(count, millis)| count.checked_mul(millis));
        total.map(|total| Self(Duration::from_millis(total))).ok_or_else(|| format!("\"{text}\" is no time span such as 30s"))
    },
    Some(|secs| Ok(Self(Duration::from_secs(secs))))
);

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl From<Size> for usize {
    fn from(size: Size) -> Self {
        size.0
    }
}

/// Bytes where the setting is a 32-bit number.
impl From<Size> for u32 {
    fn from(size: Size) -> Self {
        Self::try_from(size.0).unwrap_or(Self::MAX)
    }
}

/// Bytes where the setting is a stream offset.
impl From<Size> for u64 {
    fn from(size: Size) -> Self {
        size.0 as Self
    }
}

/// A number of things, at least one.
#[derive(Clone, Copy, Debug)]
pub struct Count(usize);

human!(
    Count,
    "a number from 1",
    |text| Err(format!("\"{text}\" is no number")),
    Some(|count| match usize::try_from(count) {
        Ok(count) if count > 0 => Ok(Self(count)),
        _ => Err(format!("{count} is not a number from 1")),
    })
);

impl From<Count> for usize {
    fn from(count: Count) -> Self {
        count.0
    }
}

impl From<Count> for u32 {
    fn from(count: Count) -> Self {
        Self::try_from(count.0).unwrap_or(Self::MAX)
    }
}

/// A JA3 hash or a JA4, in lower case.
#[derive(Clone, Debug)]
pub struct Fingerprint(String);

human!(
    Fingerprint,
    "a JA3 hash or a JA4",
    |text| {
        let text = text.to_ascii_lowercase();
        let is_hex = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_ja4 = || match text.split('_').collect::<Vec<_>>().as_slice() {
            [head, ciphers, extensions] => head.len() == 10 && is_hex(ciphers, 12) && is_hex(extensions, 12),
            _ => false,
        };
        let fits = is_hex(&text, 32) || is_ja4();
        fits.then(|| Self(text.clone())).ok_or_else(|| format!("\"{text}\" is neither a JA3 hash nor a JA4"))
    },
    None
);

/// A list of fingerprints.
#[derive(Clone, Debug)]
pub struct Fingerprints(Vec<Fingerprint>);

impl<'de> Deserialize<'de> for Fingerprints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

impl From<Fingerprints> for Vec<String> {
    fn from(list: Fingerprints) -> Self {
        list.0.into_iter().map(|one| one.0).collect()
    }
}

/// Worker threads.
#[derive(Clone, Copy, Debug)]
pub struct Workers(pub usize);

human!(
    Workers,
    "a number of workers",
    |text| Err(format!("\"{text}\" is no number")),
    Some(|count| match usize::try_from(count) {
        Ok(count @ 1..=SHARDS) => Ok(Self(count)),
        _ => Err(format!("{count} is not a number from 1 to {SHARDS}")),
    })
);

/// Which files are stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored(Which);

human!(
    Stored,
    "\"alerted\" or \"all\"",
    |text| {
        match text {
            "alerted" => Ok(Self(Which::Alerted)),
            "all" => Ok(Self(Which::All)),
            _ => Err(format!("\"{text}\" is neither \"alerted\" nor \"all\"")),
        }
    },
    None
);

impl From<Stored> for Which {
    fn from(stored: Stored) -> Self {
        stored.0
    }
}

/// An overlap policy.
#[derive(Clone, Copy, Debug)]
pub struct Policy(pub OverlapPolicy);

human!(
    Policy,
    "an overlap policy",
    |text| {
        let names: Vec<&str> = OverlapPolicy::NAMES.iter().map(|(name, _)| *name).collect();
        OverlapPolicy::by_name(text).map(Self).ok_or_else(|| format!("\"{text}\" is no overlap policy: {}", names.join(", ")))
    },
    None
);

/// The name of an event type.
#[derive(Clone, Copy, Debug)]
pub struct EventType(pub &'static str);

human!(
    EventType,
    "an event type",
    |text| {
        let known = Types::known();
        let found = known.iter().find(|name| **name == text).map(|name| Self(name));
        found.ok_or_else(|| format!("\"{text}\" is no event type: {}", known.join(", ")))
    },
    None
);

struct OneOrMany<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or a text with commas")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| T::deserialize(part.into_deserializer())).collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(list)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Vec<T>, E> {
        T::deserialize(number.into_deserializer()).map(|value| vec![value])
    }
}

/// A list, or one text with commas, as `--set` and people give it.
pub fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(OneOrMany(PhantomData))
}

/// The same where being absent means something else than being empty.
pub fn some_one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

/// A list of names, or one text with commas.
#[derive(Clone, Debug)]
pub struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names.0
    }
}

/// Addresses and networks: a list, or one.
#[derive(Clone, Debug)]
pub struct Nets(Vec<IpNet>);

impl<'de> Deserialize<'de> for Nets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(|nets: Vec<Net>| Self(nets.into_iter().map(|net| net.0).collect()))
    }
}

impl From<Nets> for Vec<IpNet> {
    fn from(nets: Nets) -> Self {
        nets.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
        let deserializer: de::value::StrDeserializer<'_, de::value::Error> = text.into_deserializer();
        T::deserialize(deserializer).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_and_spans_have_units() {
        assert_eq!(read::<Size>("64MiB").unwrap().0, 64 << 20);
        assert_eq!(read::<Size>("10 kb").unwrap().0, 10 << 10);
        assert!(read::<Size>("64 parsecs").unwrap_err().contains("64 parsecs"));
        assert!(read::<Size>("99999999999999GiB").is_err());
        assert_eq!(read::<Span>("250ms").unwrap().0, Duration::from_millis(250));
        assert_eq!(read::<Span>("2h").unwrap().0, Duration::from_secs(7_200));
        assert!(read::<Span>("soon").is_err());
    }

    #[test]
    fn a_single_address_is_a_network() {
        assert_eq!(read::<Net>("10.0.0.7").unwrap().0.to_string(), "10.0.0.7/32");
        assert_eq!(read::<Net>("10.0.0.7/8").unwrap().0.to_string(), "10.0.0.0/8");
        assert_eq!(read::<Net>("2001:db8::/32").unwrap().0.to_string(), "2001:db8::/32");
        assert!(read::<Net>("10.0.0/8").is_err());
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        assert!(read::<Policy>("vista").unwrap_err().contains("windows, linux"));
        assert!(read::<EventType>("htpp").unwrap_err().contains("alert, flow"));
    }
}

//! What is kept of one indicator.

use backstop_types::PacketTime;

/// Days since 1970 of a list or entry without a date.
pub const UNDATED: u16 = 0;

/// One entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of what is told of it; the highest bit: it stands for subdomains too.
    pub note: u32,
    /// Number of its list.
    pub list: u16,
    /// Days since 1970, or [`UNDATED`].
    pub day: u16,
}

/// Ages at which an indicator counts for less: addresses change hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Days after which severity is one lower …
    pub first: u64,
    /// … and two.
    pub second: u64,
}

impl Default for Age {
    fn default() -> Self {
        Self { first: 365, second: 1_095 }
    }
}

/// An indicator that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indicator<'a> {
    /// Where its list says that it comes from, or the list's name.
    pub source: &'a str,
    /// What the list says of it.
    pub note: &'a str,
    /// Days since 1970; nothing where neither the entry nor its list has a date.
    pub day: Option<u16>,
    /// The last day for which it is meant, where its list says so.
    pub until: Option<u16>,
    /// How sure its list is of it, 0 to 100, where it says so.
    pub confidence: Option<u8>,
    /// Labels of a name before the listed one: 0 where it is the listed one.
    pub below: u8,
}

impl Indicator<'_> {
    /// Days between its date and a packet's time; none before it.
    #[must_use]
    pub fn age(&self, now: PacketTime) -> Option<u64> {
        self.day.map(|day| today(now).saturating_sub(u64::from(day)))
    }

    /// Whether it is no longer meant (`valid_until` of STIX 2.1 §4.7).
    #[must_use]
    pub fn is_over(&self, now: PacketTime) -> bool {
        self.until.is_some_and(|until| today(now) > u64::from(until))
    }

    /// The listed name, of one that was met.
    #[must_use]
    pub fn listed<'n>(&self, name: &'n str) -> &'n str {
        let name = name.trim_end_matches('.');
        (0..self.below).fold(name, |rest, _| rest.split_once('.').map_or(rest, |(_, rest)| rest))
    }

    /// 1, or lower with age. One without a date counts as aged a step.
    #[must_use]
    pub fn severity(&self, now: PacketTime, ages: Age) -> u8 {
        match self.age(now) {
            None => 2,
            Some(age) if age >= ages.second => 3,
            Some(age) if age >= ages.first => 2,
            Some(_) => 1,
        }
    }

    /// Its date as `2023-04-26`.
    #[must_use]
    pub fn date(&self) -> Option<String> {
        self.day.map(|day| {
            let (year, month, day) = civil(i64::from(day));
            format!("{year:04}-{month:02}-{day:02}")
        })
    }
}

/// Days since 1970 of a packet's time.
const fn today(now: PacketTime) -> u64 {
    now.as_nanos() / 86_400_000_000_000
}

/// Days since 1970 of a date that begins a text: `2023-04-26`, `2023-04-26T12:00:00Z`, `2023/04/26`, `20230426`.
pub fn day(text: &str) -> Option<u16> {
    let digits: Vec<u8> = text.trim().bytes().take(10).filter(u8::is_ascii_digit).collect();
    let number = |part: &[u8]| part.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    let (year, month, day) = (number(digits.get(..4)?), number(digits.get(4..6)?), number(digits.get(6..8)?));
    if digits.len() != 8 || !(1970..=2140).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days(year, month, day);
    (civil(days) == (year, month, day)).then(|| u16::try_from(days).ok()).flatten().filter(|day| *day != UNDATED)
}

/// Days since 1970 of a date of the Gregorian calendar, which repeats every 400 years of 146,097 days.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + days.div_euclid(146_097) * 400;
    (if month <= 2 { year + 1 } else { year }, month, of_year - (153 * shifted + 2) / 5 + 1)
}

//! CSV with a header, and one value a line. Lines that begin with `#` are comments; `# source:` and `# date:` are for the list.

use super::ListError;
use super::entry;
use super::table::{Line, Loader};

/// Names of columns.
const VALUES: [&str; 6] = ["value", "indicator", "ioc", "ioc_value", "observable", "indicator value"];
const KINDS: [&str; 4] = ["type", "indicator type", "ioc_type", "kind"];
const NOTES: [&str; 6] = ["note", "notes", "comment", "description", "malware", "tags"];
const DATES: [&str; 6] = ["date", "first_seen", "firstseen", "first_seen_utc", "created", "valid_from"];
/// Words for kinds that are read; a row of another kind (a command line, a file name) is left out.
const KNOWN: [&str; 10] = ["ip", "addr", "cidr", "net", "domain", "host", "url", "md5", "sha", "hash"];

/// Reads a list.
pub fn read(into: &mut Loader, file: &str, list: u16, text: &str) -> Result<(), ListError> {
    let mut day = None;
    let mut first = None;
    for (number, line) in text.lines().enumerate() {
        match line.trim().strip_prefix('#').map(str::trim) {
            Some(comment) => {
                if let Some(source) = after(comment, "source:") {
                    into.source(list, source);
                } else if let Some(date) = after(comment, "date:") {
                    day = Some(entry::day(date).ok_or_else(|| ListError {
                        file: file.to_owned(),
                        line: number as u64 + 1,
                        what: format!("no date such as 2023-04-26: {}", date.chars().take(40).collect::<String>()),
                    })?);
                }
            }
            None if first.is_none() && !line.trim().is_empty() => first = Some(line),
            None => {}
        }
    }
    let header =
        first.map(|line| line.split(',').map(|name| name.trim().trim_matches('"').to_ascii_lowercase()).collect::<Vec<_>>());
    match header.filter(|header| header.iter().any(|name| VALUES.contains(&name.as_str()))) {
        Some(_) => csv(into, file, list, text, day),
        None => plain(into, file, list, text, day),
    }
}

fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then(|| rest.trim())
}

fn plain(into: &mut Loader, file: &str, list: u16, text: &str, day: Option<u16>) -> Result<(), ListError> {
    for (number, line) in text.lines().enumerate() {
        let (value, note) = line.split_once('#').unwrap_or((line, ""));
        // What stands behind a blank or a comma is a note.
        let mut parts = value.trim().splitn(2, [' ', '\t', ',', ';']);
        let value = parts.next().unwrap_or_default();
        let note = parts.next().filter(|note| !note.trim().is_empty()).unwrap_or(note);
        if !value.is_empty() {
            into.value(file, list, &Line { number: number as u64 + 1, value, note, day })?;
        }
    }
    Ok(())
}

fn csv(into: &mut Loader, file: &str, list: u16, text: &str, day: Option<u16>) -> Result<(), ListError> {
    let wrong = |error: &csv::Error| ListError {
        file: file.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        what: "no CSV".to_owned(),
    };
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| wrong(&error))?.clone();
    let column = |names: &[&str]| header.iter().position(|name| names.contains(&name.to_ascii_lowercase().as_str()));
    let (value, kind, note, date) = (column(&VALUES), column(&KINDS), column(&NOTES), column(&DATES));
    let mut others = 0_u64;
    for record in reader.records() {
        let record = record.map_err(|error| wrong(&error))?;
        let field = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
        let word = field(kind).to_ascii_lowercase();
        if !word.is_empty() && !KNOWN.iter().any(|known| word.contains(known)) {
            others += 1;
            continue;
        }
        let number = record.position().map_or(1, csv::Position::line);
        let line = Line { number, value: field(value), note: field(note), day: entry::day(field(date)).or(day) };
        if !line.value.is_empty() {
            into.value(file, list, &line)?;
        }
    }
    if others > 0 {
        into.warn(file, 1, &format!("{others} rows of other kinds were left out"));
    }
    Ok(())
}

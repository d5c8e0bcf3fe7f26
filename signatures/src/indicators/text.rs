//! CSV with a header, and one value a line. Lines that begin with `#` are comments; `# source:` and `# date:` are for the list.

use super::ListError;
use super::columns::{Columns, is_known};
use super::entry;
use super::table::{Line, Loader};

/// What stands above the values.
#[derive(Default)]
struct Head {
    day: Option<u16>,
    /// The columns of CSV, and how many bytes of the text come before its rows.
    columns: Option<(Columns, usize)>,
}

/// Reads a list.
pub fn read(into: &mut Loader, file: &str, list: u16, text: &str) -> Result<(), ListError> {
    let head = head(into, file, list, text)?;
    match head.columns {
        Some((columns, rows)) => csv(into, file, list, (text, rows), (&columns, head.day)),
        None => plain(into, file, list, text, head.day),
    }
}

fn head(into: &mut Loader, file: &str, list: u16, text: &str) -> Result<Head, ListError> {
    let mut head = Head::default();
    let (mut behind, mut begun) = (0, false);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        behind += line.len();
        let Some(comment) = line.trim().strip_prefix('#').map(str::trim) else {
            if !begun && !line.trim().is_empty() {
                begun = true;
                // Where a header stood in a comment, this is a row.
                head.columns = head.columns.or_else(|| Some((Columns::of(line.trim())?, behind)));
            }
            continue;
        };
        if let Some(source) = after(comment, "source:") {
            into.source(list, source);
        } else if let Some(date) = after(comment, "date:") {
            head.day = Some(entry::day(date).ok_or_else(|| ListError {
                file: file.to_owned(),
                line: number as u64 + 1,
                what: format!("no date such as 2023-04-26: {}", date.chars().take(40).collect::<String>()),
            })?);
        } else if !begun && comment.starts_with('"') {
            // As abuse.ch writes it: the header is the last comment.
            head.columns = Columns::of(comment).map(|columns| (columns, behind)).or(head.columns);
        }
    }
    Ok(head)
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
            into.value(file, list, &Line { number: number as u64 + 1, value, note, day, ..Line::default() })?;
        }
    }
    Ok(())
}

fn csv(
    into: &mut Loader,
    file: &str,
    list: u16,
    (text, rows): (&str, usize),
    (columns, day): (&Columns, Option<u16>),
) -> Result<(), ListError> {
    let wrong = |line: u64, what: &str| ListError { file: file.to_owned(), line, what: what.to_owned() };
    let body = text.get(rows..).unwrap_or_default();
    let before = text.get(..rows).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count() as u64;
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .flexible(true)
        .has_headers(false)
        .delimiter(columns.delimiter)
        .trim(csv::Trim::All)
        .from_reader(body.as_bytes());
    let mut record = csv::StringRecord::new();
    let (mut others, mut last) = (0_u64, (0, 0, 0));
    loop {
        let more = reader.read_record(&mut record);
        if !more.map_err(|error| wrong(before + error.position().map_or(1, csv::Position::line), "no CSV"))? {
            break;
        }
        let (line, byte) = record.position().map_or((1, 0), |position| (position.line(), position.byte()));
        let number = before + line;
        last = (number, byte, reader.position().byte());
        let field = |column: usize| record.get(column).unwrap_or_default().trim_matches(['"', ' ']);
        let note = columns.note.map_or("", field);
        let day = columns.date.and_then(|column| entry::day(field(column))).or(day);
        let until = columns.until.and_then(|column| entry::day(field(column)));
        let confidence = columns.confidence.and_then(|column| field(column).parse().ok()).filter(|sure| *sure <= 100);
        let mut any = false;
        for value in columns.values.iter().map(|column| field(*column)) {
            // `domain|ip`, `filename|sha256`: a value for each kind.
            let kinds = columns.kind.map(field).unwrap_or_default();
            let kinds = kinds.split('|').map(Some).chain(std::iter::repeat(None));
            for (value, kind) in value.split('|').zip(kinds) {
                if !value.trim().is_empty() && kind.is_none_or(|kind| kind.is_empty() || is_known(kind)) {
                    into.value(file, list, &Line { number, value, note, day, until, confidence })?;
                    any = true;
                }
            }
        }
        others += u64::from(!any);
    }
    // A quote that is not closed hides all rows that follow it: they are in the last row. What stands behind it is a remark.
    let (from, to) = (usize::try_from(last.1).unwrap_or(usize::MAX), usize::try_from(last.2).unwrap_or(usize::MAX));
    let tail = body.get(from..to.min(body.len())).unwrap_or_default();
    if tail.trim_end().contains('\n') && tail.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        return Err(wrong(last.0, "a quote is not closed"));
    }
    into.left_out(file, others, "rows of other kinds");
    Ok(())
}

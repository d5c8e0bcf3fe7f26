//! Files in a body of `multipart/form-data` (RFC 7578), as they come.
//!
//! ```text
//! body = [ preamble CRLF ] "--" boundary padding CRLF part *( CRLF "--" boundary padding CRLF part ) CRLF "--" boundary "--"
//! part = *( field CRLF ) CRLF *OCTET                                                                     (RFC 2046 §5.1.1)
//! ```
//! A line may end with LF alone, as servers read it. A part with a file name is a file. Nothing is copied: what may be the beginning
//! of a line that matters is left to be given again.

use super::name;
use super::transaction::PartState;

/// Bytes of a boundary; RFC 2046 §5.1.1 allows 70.
const MAX_BOUNDARY: usize = 256;
/// Blanks behind a boundary.
const MAX_PADDING: usize = 128;
/// Bytes of a line of a part's head that are read, and of all of them.
const MAX_LINE: usize = 2 * 1024;
const MAX_HEAD: usize = 8 * 1024;
/// The field that names a file.
const DISPOSITION: &[u8] = b"content-disposition:";

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Number of the file in its body, from 0.
    pub number: u32,
    /// Its name; empty where it has none.
    pub name: &'a str,
    /// Where in it the bytes stand.
    pub offset: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether more follows.
    pub state: PartState,
}

/// Where in the body it is.
#[derive(Debug)]
enum At {
    /// Before a part, or in one that is no file. `start`: the body begins here.
    Between { start: bool },
    /// In the head of a part: bytes of it by now, and the line that names it.
    Head { bytes: usize, line: Vec<u8>, folds: bool },
    /// In a file.
    File { name: String, offset: u64 },
}

/// What a line that begins with the boundary is.
enum Delimiter {
    /// A part begins behind so many bytes.
    Part(usize),
    /// It was the last one, so many bytes.
    Last(usize),
    /// It is none.
    None,
    /// More bytes say it.
    Unknown,
}

/// The parts of one body.
#[derive(Debug)]
pub struct Multipart {
    /// Two hyphens, and the boundary.
    mark: Vec<u8>,
    at: At,
    files: u32,
    max_files: u32,
    /// Bytes at the end of what was given that are to be given again.
    pending: usize,
    /// Files that were left out.
    pub cut: bool,
}

/// The boundary of a form, where a body of this type is one.
pub fn boundary(value: &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memchr(b';', value)?;
    let (kind, mut rest) = value.split_at_checked(end)?;
    if !kind.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    while let Some((b';', after)) = rest.split_first().map(|(first, after)| (*first, after)) {
        let equals = memchr::memchr(b'=', after)?;
        let (name, value) = after.split_at_checked(equals)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii_start();
        let (value, behind) = match value.split_first() {
            Some((b'"', quoted)) => {
                let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
                let behind = quoted.get(end..).unwrap_or_default();
                (quoted.get(..end).unwrap_or_default(), behind.get(1..).unwrap_or_default())
            }
            _ => value.split_at_checked(memchr::memchr(b';', value).unwrap_or(value.len()))?,
        };
        if name.trim_ascii().eq_ignore_ascii_case(b"boundary") {
            let value = value.trim_ascii_end();
            return (1..=MAX_BOUNDARY).contains(&value.len()).then(|| value.to_vec());
        }
        rest = behind.get(memchr::memchr(b';', behind).unwrap_or(behind.len())..).unwrap_or_default();
    }
    None
}

impl Multipart {
    /// With this boundary; `max_files` are told.
    pub fn new(boundary: &[u8], max_files: usize) -> Self {
        Self {
            mark: [b"--", boundary].concat(),
            at: At::Between { start: true },
            files: 0,
            max_files: u32::try_from(max_files.min(1 << 15)).unwrap_or(0),
            pending: 0,
            cut: false,
        }
    }

    /// Bytes that are to be given again.
    pub const fn pending(&self) -> usize {
        self.pending
    }

    /// The bytes that were pending, and new ones. `last`: nothing follows.
    pub fn push(&mut self, bytes: &[u8], last: bool, tell: &mut dyn FnMut(Piece<'_>)) {
        let mut rest = bytes;
        while let Some(used) = self.step(rest, last, tell).filter(|used| *used > 0) {
            rest = rest.get(used..).unwrap_or_default();
        }
        self.pending = if last { 0 } else { rest.len() };
        if last {
            self.give_up(rest, tell);
        }
    }

    /// Bytes are missing behind what was given; the next boundary is looked for.
    pub fn gap(&mut self, tell: &mut dyn FnMut(Piece<'_>)) {
        self.give_up(&[], tell);
        self.pending = 0;
        self.at = At::Between { start: false };
    }

    /// No end of the file at hand will be seen.
    fn give_up(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Piece<'_>)) {
        self.piece(bytes, PartState::Truncated, tell);
    }

    fn piece(&mut self, bytes: &[u8], state: PartState, tell: &mut dyn FnMut(Piece<'_>)) {
        let At::File { name, offset } = &mut self.at else { return };
        let ends = state != PartState::More;
        if !bytes.is_empty() || ends {
            tell(Piece { number: self.files, name, offset: *offset, bytes, state });
        }
        *offset += bytes.len() as u64;
        if ends {
            self.files += 1;
        }
    }

    /// One step: bytes that are done with; `None` where more are needed.
    fn step(&mut self, bytes: &[u8], last: bool, tell: &mut dyn FnMut(Piece<'_>)) -> Option<usize> {
        match &mut self.at {
            At::Head { .. } => self.head_line(bytes),
            At::Between { start } => {
                if std::mem::take(start) {
                    match self.delimiter(bytes, last) {
                        Delimiter::Part(used) => return self.begin(used),
                        Delimiter::Last(used) => return self.between(used),
                        Delimiter::Unknown => {
                            self.at = At::Between { start: true };
                            return None;
                        }
                        Delimiter::None => {}
                    }
                }
                self.data(bytes, last, tell)
            }
            At::File { .. } => self.data(bytes, last, tell),
        }
    }

    fn begin(&mut self, used: usize) -> Option<usize> {
        self.at = At::Head { bytes: 0, line: Vec::new(), folds: false };
        Some(used)
    }

    /// Behind the last part others may come for a reader who does not stop there.
    fn between(&mut self, used: usize) -> Option<usize> {
        self.at = At::Between { start: false };
        Some(used).filter(|used| *used > 0)
    }

    /// What stands up to the next line that begins with the boundary.
    fn data(&mut self, bytes: &[u8], last: bool, tell: &mut dyn FnMut(Piece<'_>)) -> Option<usize> {
        for lf in memchr::memchr_iter(b'\n', bytes) {
            let (before, line) = bytes.split_at_checked(lf)?;
            let line = line.get(1..).unwrap_or_default();
            let end = before.len() - usize::from(before.ends_with(b"\r"));
            let before = before.get(..end).unwrap_or_default();
            match self.delimiter(line, last) {
                Delimiter::None => {}
                Delimiter::Part(used) => {
                    self.piece(before, PartState::Complete, tell);
                    return self.begin(lf + 1 + used);
                }
                Delimiter::Last(used) => {
                    self.piece(before, PartState::Complete, tell);
                    return self.between(lf + 1 + used);
                }
                Delimiter::Unknown => {
                    self.piece(before, PartState::More, tell);
                    return Some(end).filter(|end| *end > 0);
                }
            }
        }
        // A line end may be cut in two.
        let end = bytes.len() - usize::from(bytes.ends_with(b"\r") && !last);
        self.piece(bytes.get(..end).unwrap_or_default(), PartState::More, tell);
        Some(end).filter(|end| *end > 0)
    }

    fn delimiter(&self, line: &[u8], last: bool) -> Delimiter {
        let unknown = || if last { Delimiter::None } else { Delimiter::Unknown };
        let Some(behind) = line.strip_prefix(self.mark.as_slice()) else {
            return if self.mark.starts_with(line) { unknown() } else { Delimiter::None };
        };
        let (hyphens, behind) = match behind {
            [b'-', b'-', behind @ ..] => (2, behind),
            [] | [b'-'] => return unknown(),
            behind => (0, behind),
        };
        let blanks = behind.iter().take(MAX_PADDING).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let len = self.mark.len() + hyphens + blanks;
        // The line end behind the last one may be that in front of another.
        match behind.get(blanks..).unwrap_or_default() {
            [b'\r', b'\n', ..] | [b'\n', ..] if hyphens > 0 => Delimiter::Last(len),
            [] if hyphens > 0 && last => Delimiter::Last(len),
            [b'\r', b'\n', ..] => Delimiter::Part(len + 2),
            [b'\n', ..] => Delimiter::Part(len + 1),
            [] | [b'\r'] => unknown(),
            _ => Delimiter::None,
        }
    }

    /// A line of a part's head.
    fn head_line(&mut self, bytes: &[u8]) -> Option<usize> {
        let At::Head { bytes: all, line, folds } = &mut self.at else { return None };
        let (text, used) = match memchr::memchr(b'\n', bytes) {
            Some(lf) => (bytes.get(..lf).unwrap_or_default(), lf + 1),
            // What is too long for a line is read as one.
            None if bytes.len() >= MAX_LINE => (bytes.get(..MAX_LINE)?, MAX_LINE),
            None => return None,
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = text.get(..MAX_LINE).unwrap_or(text);
        if text.is_empty() {
            let line = std::mem::take(line);
            self.at = self.part(&line);
            return Some(used);
        }
        *all = all.saturating_add(used);
        let more = matches!(text.first(), Some(b' ' | b'\t'));
        let names = text.get(..DISPOSITION.len()).is_some_and(|name| name.eq_ignore_ascii_case(DISPOSITION));
        if *all <= MAX_HEAD && (names && line.is_empty() || more && *folds) {
            let room = MAX_LINE.saturating_sub(line.len());
            line.extend_from_slice(text.get(..room).unwrap_or(text));
        }
        *folds = names || more && *folds;
        Some(used)
    }

    /// What begins behind a head.
    fn part(&mut self, line: &[u8]) -> At {
        let value = line.get(DISPOSITION.len()..).unwrap_or_default();
        if !name::names_file(value) {
            return At::Between { start: false };
        }
        if self.files >= self.max_files {
            self.cut = true;
            return At::Between { start: false };
        }
        At::File { name: name::disposition(value).unwrap_or_default(), offset: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Told = Vec<(u32, String, Vec<u8>, Option<PartState>)>;

    /// The files of a body that comes in pieces of so many bytes.
    fn files(boundary: &str, body: &[u8], piece: usize) -> Told {
        let mut told = Told::new();
        let mut tell = |piece: Piece<'_>| {
            if told.last().is_none_or(|(number, ..)| *number != piece.number) {
                told.push((piece.number, piece.name.to_owned(), Vec::new(), None));
            }
            let (_, _, bytes, state) = told.last_mut().unwrap();
            assert_eq!(piece.offset, bytes.len() as u64);
            assert_eq!(*state, None, "nothing comes behind the end");
            bytes.extend_from_slice(piece.bytes);
            *state = Some(piece.state).filter(|state| *state != PartState::More);
        };
        let mut parts = Multipart::new(boundary.as_bytes(), 100);
        let mut pending = Vec::new();
        let count = body.len().div_ceil(piece).max(1);
        for number in 0..count {
            pending.extend(body.iter().skip(number * piece).take(piece));
            parts.push(&pending, number + 1 == count, &mut tell);
            assert!(parts.pending() <= MAX_LINE + 1);
            pending.drain(..pending.len() - parts.pending());
        }
        told
    }

    fn all(boundary: &str, body: &str) -> Vec<(String, String, bool)> {
        let told = files(boundary, body.as_bytes(), body.len().max(1));
        for piece in 1..40 {
            assert_eq!(files(boundary, body.as_bytes(), piece), told, "in pieces of {piece}");
        }
        let text = |(_, name, bytes, state): (u32, String, Vec<u8>, Option<PartState>)| {
            (name, String::from_utf8(bytes).unwrap(), state == Some(PartState::Complete))
        };
        told.into_iter().map(text).collect()
    }

    fn file(name: &str, bytes: &str, whole: bool) -> (String, String, bool) {
        (name.to_owned(), bytes.to_owned(), whole)
    }

    const A: &str = "Content-Disposition: form-data; name=\"f\"; filename=\"a.ps1\"\r\n\r\n";

    #[test]
    fn the_boundary_is_that_of_the_field() {
        // RFC 2046 §5.1.1: with and without quotes.
        for (value, expected) in [
            ("multipart/form-data; boundary=AaB03x", Some("AaB03x")),
            ("Multipart/Form-Data ; charset=\"a;b\"; BOUNDARY = \"gc0p4Jq0M:2Yt08jU534c0p\"", Some("gc0p4Jq0M:2Yt08jU534c0p")),
            ("multipart/form-data;boundary=x ; y=z", Some("x")),
            ("multipart/form-data; boundary=\"x", Some("x")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"\"", None),
            ("multipart/form-data; boundary", None),
            ("multipart/encrypted; boundary=x", None),
            ("text/plain; boundary=x", None),
        ] {
            assert_eq!(boundary(value.as_bytes()).as_deref(), expected.map(str::as_bytes), "{value}");
        }
        assert_eq!(boundary(format!("multipart/form-data; boundary={}", "x".repeat(257)).as_bytes()), None);
    }

    /// The example of RFC 7578 §4.1 and its kin: fields are no files.
    #[test]
    fn parts_with_a_name_are_files() {
        let body = format!(
            "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"filename\"\r\n\r\nJoe\r\n--b\r\n{A}one\r\n\r\n--b \t\r\n\
             Content-Type: image/gif\r\nCONTENT-DISPOSITION: form-data; name=f;\r\n filename*=UTF-8''b%20c.gif\r\nX: y\r\n\r\nGIF89a\r\n--b--\r\nepilogue"
        );
        assert_eq!(all("b", &body), [file("a.ps1", "one\r\n", true), file("b c.gif", "GIF89a", true)]);
        assert_eq!(all("b", &format!("--b\r\n{A}\r\n--b--")), [file("a.ps1", "", true)]);
        assert_eq!(all("b", &format!("--b\n{}one\n--b--\n", A.replace("\r\n", "\n"))), [file("a.ps1", "one", true)], "LF alone");
        assert_eq!(all("b", &format!("--b\r\n{}one\r\n--b--", A.replace("a.ps1", ""))), [file("", "one", true)], "no name");
        assert_eq!(all("b", "").len() + all("b", "--b--").len() + all("b", "--b\r\n\r\none\r\n--b--").len(), 0);
    }

    #[test]
    fn hostile_boundaries_end_nothing_that_they_do_not_end() {
        // Longer ones, shorter ones, ones within a line, with something behind them.
        for inside in
            ["\r\n--bc\r\n", "\r\n-b\r\n", "x--b\r\n", "\r\n--b x\r\n", "\r\n--b--x\r\n", "\r--b\r\n", "\r\n--b\r", "\r\n--B\r\n"]
        {
            let (body, content) = (format!("--b\r\n{A}one{inside}two\r\n--b--"), format!("one{inside}two"));
            assert_eq!(all("b", &body), [file("a.ps1", &content, true)], "{inside:?}");
        }
        // One that is made of what stands around boundaries.
        for odd in ["--", "-", "--b--", "\t"] {
            let body = format!("--{odd}\r\n{A}one\r\n--{odd}x\r\n--{odd}--\r\n");
            assert_eq!(all(odd, &body), [file("a.ps1", &format!("one\r\n--{odd}x"), true)], "{odd:?}");
        }
        // Blanks without end are no padding.
        let padded = format!("--b\r\n{A}one\r\n--b{}\r\ntwo\r\n--b--", " ".repeat(200));
        assert_eq!(all("b", &padded).first().unwrap().1.len(), 3 + 5 + 200 + 2 + 3);
        // No end, an end that is cut, another part behind the last.
        for end in ["", "\r\n", "\r\n--b", "\r\n--b-", "\r\n--"] {
            assert_eq!(all("b", &format!("--b\r\n{A}one{end}")), [file("a.ps1", &format!("one{end}"), false)], "{end:?}");
        }
        let behind = format!("--b\r\n{A}one\r\n--b--\r\n--b\r\n{A}two\r\n--b--");
        assert_eq!(all("b", &behind), [file("a.ps1", "one", true), file("a.ps1", "two", true)]);
        // A head that goes on and on, and one in a single line.
        let long = format!("--b\r\n{}{A}one\r\n--b--", "X: y\r\n".repeat(100));
        assert_eq!(all("b", &long), [file("a.ps1", "one", true)]);
        assert_eq!(all("b", &format!("--b\r\n{}{A}one\r\n--b--", "X: y\r\n".repeat(2_000))), []);
        assert_eq!(all("b", &format!("--b\r\nX: {}\r\n{A}one\r\n--b--", "y".repeat(5_000))), [file("a.ps1", "one", true)]);
    }

    #[test]
    fn files_are_capped_and_a_gap_ends_one() {
        let mut parts = Multipart::new(b"b", 3);
        let mut told = Vec::new();
        let body = format!("--b\r\n{A}x\r\n").repeat(5);
        parts.push(body.as_bytes(), false, &mut |piece| told.push((piece.number, piece.state)));
        assert!(parts.cut && told.iter().all(|(number, _)| *number < 3));
        let mut parts = Multipart::new(b"b", 3);
        told.clear();
        let mut tell = |piece: Piece<'_>| told.push((piece.number, piece.state));
        parts.push(format!("--b\r\n{A}x").as_bytes(), false, &mut tell);
        parts.gap(&mut tell);
        parts.push(format!("y\r\n--b\r\n{A}x\r\n--b--").as_bytes(), true, &mut tell);
        assert_eq!(told, [(0, PartState::More), (0, PartState::Truncated), (1, PartState::Complete)]);
    }

    #[test]
    fn a_body_of_beginnings_costs_what_it_is() {
        let run = |count: usize| {
            let body = format!("--b\r\n{A}{}", format!("\r\n--{}", "b".repeat(255)).repeat(count));
            let begun = backstop_testkit::Stopwatch::start();
            assert_eq!(files(&"b".repeat(256), body.as_bytes(), 65_536).len(), 0);
            begun.elapsed().as_secs_f64()
        };
        let (short, long) = (run(1_000), run(20_000));
        assert!(long < short * 60.0 + 0.5, "{short} s and {long} s");
    }

    proptest! {
        /// Any bytes, in any pieces: the same files, and no more bytes than came.
        #[test]
        fn pieces_change_nothing(words in prop::collection::vec(prop::sample::select(vec!["\r", "\n", "--", "b", "-", A, " ", "\r\n", "x", "--b\r\n"]), 0..40), piece in 1_usize..50) {
            let body = words.concat();
            let whole = files("b", body.as_bytes(), body.len().max(1));
            prop_assert!(whole.iter().map(|(_, _, bytes, _)| bytes.len()).sum::<usize>() <= body.len());
            prop_assert!(whole.iter().all(|(.., state)| state.is_some()));
            prop_assert_eq!(whole, files("b", body.as_bytes(), piece));
        }
    }
}

//! Where a body ends (RFC 9112 §6.3), and every shape of a head that two readers may answer differently.

use super::anomaly;
use super::head::{Deviations, Head, Start, trim};

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Up to the end of the stream.
    UntilClose,
}

/// The framing of a message and its transfer codings besides `chunked`, the last applied last. `method`: of the request that a
/// response is to.
pub fn of(head: &Head, method: Option<&str>, deviations: &mut Deviations) -> (Framing, Vec<String>) {
    let length = length(head, deviations);
    let (chunked, codings) = transfer(head, deviations);
    let transfer = chunked || !codings.is_empty();
    if transfer && length != Length::Absent {
        deviations.push(anomaly::LENGTH_AND_TRANSFER);
    }
    if transfer && head.minor() == 0 {
        deviations.push(anomaly::TRANSFER_IN_1_0);
    }
    let is_request = matches!(head.start, Start::Request { .. });
    if let Start::Status { code, .. } = head.start {
        let tunnel = method == Some("CONNECT") && (200..300).contains(&code);
        if method == Some("HEAD") || (100..200).contains(&code) || matches!(code, 204 | 304) || tunnel {
            return (Framing::None, Vec::new());
        }
    }
    let framing = match (chunked, transfer, length) {
        (true, _, _) => Framing::Chunked,
        (false, true, _) if !is_request => Framing::UntilClose,
        // A request whose length is not to be known from its transfer coding: the sender's length is the best guess.
        (false, _, Length::Is(length)) => Framing::Length(length),
        (false, _, _) if is_request => Framing::None,
        (false, _, _) => Framing::UntilClose,
    };
    (if framing == Framing::Length(0) { Framing::None } else { framing }, codings)
}

/// What is wrong with the Host of a request.
pub fn check_host(head: &Head, deviations: &mut Deviations) {
    match head.all("host").count() {
        0 if head.minor() >= 1 && !head.cut => deviations.push(anomaly::MISSING_HOST),
        0 | 1 => {}
        _ => deviations.push(anomaly::DUPLICATE_HOST),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Absent,
    Is(u64),
    Bad,
}

fn length(head: &Head, deviations: &mut Deviations) -> Length {
    let mut found = Length::Absent;
    for element in head.all("content-length").flat_map(|value| value.split(|&byte| byte == b',')) {
        let this = match number(trim(element)) {
            Some(length) => Length::Is(length),
            None => {
                deviations.push(anomaly::BAD_LENGTH);
                Length::Bad
            }
        };
        found = match found {
            Length::Absent => this,
            before if before == this => {
                deviations.push(anomaly::DUPLICATE_LENGTH);
                before
            }
            // The first one wins, as with most servers that let it pass at all.
            before => {
                deviations.push(anomaly::CONFLICTING_LENGTH);
                if before == Length::Bad { this } else { before }
            }
        };
    }
    found
}

/// 1*DIGIT and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether the message is chunked, and its other transfer codings.
fn transfer(head: &Head, deviations: &mut Deviations) -> (bool, Vec<String>) {
    let mut lines = 0;
    for value in head.all("transfer-encoding") {
        lines += 1;
        // A byte that one reader strips and another takes for a part of the name.
        if value.iter().any(|byte| !matches!(byte, 0x20..=0x7e | b'\t')) {
            deviations.push(anomaly::BAD_TRANSFER);
        }
    }
    if lines == 0 {
        return (false, Vec::new());
    }
    let mut codings = head.list("transfer-encoding");
    let known = |coding: &String| matches!(coding.as_str(), "chunked" | "gzip" | "x-gzip" | "deflate" | "compress" | "identity");
    let chunked = codings.iter().filter(|coding| *coding == "chunked").count();
    let last = codings.last().is_some_and(|coding| coding == "chunked");
    let is_request = matches!(head.start, Start::Request { .. });
    if !codings.iter().all(known) || chunked > 1 || (chunked == 1 && !last) || (is_request && !last) || lines > 1 {
        deviations.push(anomaly::BAD_TRANSFER);
    }
    // Whoever reads `chunked` in any place of it reads chunks: rather that than a body taken for requests.
    let is_chunked =
        chunked > 0 || codings.iter().any(|coding| coding.trim_matches(|c: char| !c.is_ascii_alphanumeric()) == "chunked");
    codings.retain(|coding| matches!(coding.as_str(), "gzip" | "x-gzip" | "deflate"));
    (is_chunked, codings)
}

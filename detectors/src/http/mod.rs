//! Detections on HTTP: downloads by backup servers (9404007), and what bodies hold (9403001 to 9403007).

pub mod content;
pub mod download;
#[cfg(test)]
mod tests;

use backstop_protocols::http;

use crate::Outcome;

/// What a status says.
#[must_use]
pub const fn outcome(status: Option<u16>) -> Outcome {
    match status {
        None => Outcome::Unknown,
        Some(200..300) => Outcome::Success,
        Some(_) => Outcome::Attempt,
    }
}

/// The content rule that tells of programs.
const PROGRAM_RULE: u64 = 9_411_030;

/// The path of a target, without its query.
pub(crate) fn path(target: &str) -> &str {
    let target = match (http::authority(target), target.split_once("://")) {
        (Some(_), Some((_, rest))) => rest.find('/').map_or("/", |at| rest.split_at(at).1),
        _ => target,
    };
    target.split(['?', '#']).next().unwrap_or(target)
}

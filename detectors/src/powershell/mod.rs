//! Detections on PowerShell and commands (section 3 of the catalogue), on what `content` unfolded, whatever carried it.
//!
//! Carriers call [`crate::content::inspect`]; nothing here knows one.

mod conditions;
mod metas;
#[cfg(test)]
mod tests;
mod words;

pub use conditions::{NAMES, Told, conditions, loader_named};
pub use words::{RULES_OF_WORDS, without_comments};

use crate::Meta;

/// What content can be found to be.
pub static METAS: &[&Meta] = &[
    &metas::POWERTRASH,
    &metas::POWERHOLD,
    &metas::CRADLE,
    &metas::ENCODED,
    &metas::LATERAL,
    &metas::DECRYPTION,
    &metas::BYPASS,
];

/// Content rules that tell the same cause by its raw text: where the detection spoke, they add nothing.
#[must_use]
pub const fn rules(sid: u64) -> &'static [u64] {
    match sid {
        9_403_001 => &[9_411_020, 9_411_021],
        9_403_002 => &[9_411_022],
        // The name of what is fetched is in the evidence.
        9_403_003 => &[9_411_021, 9_411_023],
        9_403_004 => &[9_411_024],
        9_403_005 => &[9_411_025],
        9_403_006 => &[9_411_026],
        9_403_007 => &[9_411_027],
        _ => &[],
    }
}

/// Whether a detection tells what this content rule tells, where it understands the text.
#[must_use]
pub fn tells(rule: u64) -> bool {
    METAS.iter().any(|meta| rules(meta.sid).contains(&rule))
}

//! Decoding of content, whatever carried it. No detection here: detectors ask, this answers.

pub mod sql;

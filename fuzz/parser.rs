//! See `backstop_fuzz::parser`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::parser::run(input));

//! See `backstop_fuzz::indicators`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::indicators::run(input));

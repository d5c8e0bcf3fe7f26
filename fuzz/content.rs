//! See `backstop_fuzz::content`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::content::run(input));

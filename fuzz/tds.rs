//! See `backstop_fuzz::tds`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::tds::run(input));

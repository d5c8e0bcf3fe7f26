//! See `backstop_fuzz::nrbf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::nrbf::run(input));

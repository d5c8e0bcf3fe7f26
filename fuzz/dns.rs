//! See `backstop_fuzz::dns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::dns::run(input));

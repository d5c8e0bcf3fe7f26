//! See `backstop_fuzz::reassembly`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::reassembly::run(input));

//! See `backstop_fuzz::winrm`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| backstop_fuzz::winrm::run(input));

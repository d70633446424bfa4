#![no_main]

libfuzzer_sys::fuzz_target!(|case: &[u8]| tidegate_fuzz::converters(case, tidegate_fuzz::family::tokens));

#![no_main]

libfuzzer_sys::fuzz_target!(|case: &[u8]| tidegate_fuzz::hpack(case));

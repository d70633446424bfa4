//! Exports Lua's symbols from the program, so that native modules (those that Debian packages for Lua 5.4, for
//! one) find the interpreter that is built in.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if target == "linux" {
        // Only Lua's own names, and those whole: a module may call what nothing in here does.
        let list = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default())
            .join("lua.exports");
        println!("cargo::rerun-if-changed={}", list.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--dynamic-list={}", list.display());
    }
}

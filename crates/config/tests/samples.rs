//! The lines that reference pages show for fetches are lines of a configuration.

use std::path::PathBuf;

use tidegate_config::{Draft, MemoryFiles, Options, Style};
use tidegate_sample::arg::ArgKind;
use tidegate_sample::{NoExternals, example, fetch};

#[test]
fn each_example_of_a_fetch_can_be_written_in_its_place() {
    let web = "    acl local src 127.0.0.0/8\n    acl robot path /robots.txt\n";
    let mut failed = Vec::new();
    for row in fetch::all() {
        // Tables are known by what they store, which no one line says.
        if row.args.kinds.contains(&ArgKind::Table) {
            continue;
        }
        let line = example::of_fetch(row);
        let refused = read(&format!("{web}    {line}\n"));
        if refused.is_empty() {
            continue;
        }
        // What only a backend has is shown on a line of one.
        let refused = read(&format!("backend other\n    mode http\n    {line}\n"));
        if !refused.is_empty() {
            failed.push(format!("{line}\n{refused}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What is wrong in a configuration with these lines behind those of a frontend.
fn read(lines: &str) -> String {
    let text = format!(
        "userlist people\n    user joe insecure-password x\ndefaults\n    mode http\n    timeout client 5s\n    timeout server 5s\n    \
         timeout connect 5s\nbackend app\n    server s1 127.0.0.1:80\nfrontend web\n    bind :8080\n{lines}"
    );
    let files = MemoryFiles::default().with("x.cfg", text);
    let loaded =
        Draft::read(&[PathBuf::from("x.cfg")], &files, Options::default()).finish(&NoExternals, &files);
    match loaded.config {
        Some(_) => String::new(),
        None => loaded.diagnostics.render(&loaded.sources, Style::Plain),
    }
}

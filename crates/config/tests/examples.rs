//! The project's examples are valid configurations, whatever their scripts register.

mod common;

use std::path::{Path, PathBuf};

use tidegate_config::{DiskFiles, Draft, Environment, Options, Severity, Sources, Style, format};

use common::AnyScript;

#[test]
fn examples_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for folder in std::fs::read_dir(root).unwrap() {
        let file = folder.unwrap().path().join("tidegate.cfg");
        if !file.exists() {
            continue;
        }
        seen += 1;
        let options = Options {
            environment: Environment::of_process(),
            ..Options::default()
        };
        let loaded = Draft::read(&[PathBuf::from(&file)], &DiskFiles, options).finish(&AnyScript, &DiskFiles);
        let report = loaded.diagnostics.render(&loaded.sources, Style::Plain);
        assert!(loaded.config.is_some(), "{report}");
        assert_eq!(loaded.diagnostics.count(Severity::Warning), 0, "{report}");
        let text = std::fs::read(&file).unwrap();
        let mut sources = Sources::default();
        let id = sources.add(file.display().to_string(), text.clone());
        assert_eq!(
            format(id, &sources).unwrap(),
            text,
            "{} is laid out as usual",
            file.display()
        );
    }
    assert!(seen > 0, "the examples are there");
}

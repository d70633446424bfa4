//! A site with a script and a runtime API.

use super::Result;
use super::runtime::Runtime;
use super::site::Site;

/// `script` is loaded with `lua-load`; `rest` follows the lines of `defaults`.
pub(crate) fn start(name: &str, script: &str, rest: &str) -> Result<Runtime> {
    start_with(name, script, "", rest, &[])
}

/// The same with further lines in `global`, and further files.
pub(crate) fn start_with(
    name: &str,
    script: &str,
    global: &str,
    rest: &str,
    files: &[(&str, &str)],
) -> Result<Runtime> {
    let path = std::env::temp_dir().join(format!("tidegate-sc-{name}-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let config = format!(
        "global\n    nbthread 2\n    stats socket {} level admin\n    lua-load site/script.lua\n{global}\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n{rest}",
        path.display()
    );
    let mut all = vec![("site.cfg", config.as_str()), ("script.lua", script)];
    all.extend_from_slice(files);
    let site = Site::start(&format!("sc-{name}"), &all)?;
    Ok(Runtime { site, path })
}

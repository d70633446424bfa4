//! No descriptors left for clients that come.

use std::process::Command;
use std::time::Duration;

use crate::ground::Ground;
use crate::support::Result;
use crate::support::origin::named;

/// Lets the program open no descriptor of this number or above.
fn limit(ground: &Ground, limit: usize) -> Result<()> {
    let pid = ground.site.pid().to_string();
    let limit = format!("--nofile={limit}:");
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status()?;
    match set.success() {
        true => Ok(()),
        false => Err("prlimit failed".into()),
    }
}

/// The lowest number that no descriptor has, once none is about to be closed: that is what the next one would get.
fn next_number(ground: &Ground) -> Result<usize> {
    let mut seen = Vec::new();
    loop {
        let numbers = ground.descriptor_numbers()?;
        seen.push((0..).find(|number| !numbers.contains(number)).unwrap_or_default());
        if let [.., a, b, c, d] = seen[..]
            && [a, b, c] == [b, c, d]
        {
            return Ok(d);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whoever_can_not_be_let_in_is_told_of_and_let_in_later() -> Result<()> {
    let mut ground = Ground::start("no-room", named("fine")?)?;
    limit(&ground, next_number(&ground)?)?;
    let waiting = ground.site.begin("/")?;
    let told = ground.told()?;
    assert!(
        told.contains("frontend site takes no connections for now: Too many open files"),
        "{told}"
    );
    ground.is_well()?;
    limit(&ground, 1000)?;
    assert!(crate::support::site::rest(waiting)?.ends_with("served"));
    ground.is_well()
}

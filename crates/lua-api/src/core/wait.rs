//! Waiting, and ending a run.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use mlua::Error;
use tidegate_exec::{Scalar, function, operation, parting, turn};

use crate::arg::{Int, Millis, bad_argument};
use crate::row::{Row, row};
use crate::run::{Done, Run};

pub(super) const ROWS: &[Row] = &[
    row(
        "sleep(seconds)",
        "waits; fractions of seconds are fine",
        |lua, name, _| {
            operation(lua, name, |_, seconds: f64| {
                let Millis(time) = Millis::of(seconds, 1000.0, "sleep")?;
                Ok(sleep(time))
            })
        },
    ),
    row("msleep(milliseconds)", "waits", |lua, name, _| {
        operation(lua, name, |_, milliseconds: f64| {
            let Millis(time) = Millis::of(milliseconds, 1.0, "msleep")?;
            Ok(sleep(time))
        })
    }),
    row("yield()", "lets others have their turn", |lua, name, _| {
        turn(lua, name)
    }),
    row(
        "wait([milliseconds])",
        "waits for what an alarm was set on (`queue:alarm()`), at most for so long",
        |lua, name, _| {
            operation(lua, name, |_, milliseconds: Option<f64>| {
                let limit = match milliseconds {
                    Some(ms) => Some(Millis::of(ms, 1.0, "wait")?.0),
                    None => None,
                };
                let run = Run::current().ok_or_else(|| Error::runtime("wait: nothing runs here"))?;
                let alarm = Arc::clone(run.alarm());
                Ok(async move {
                    let rung = poll_fn(|cx| alarm.poll(cx));
                    match limit {
                        Some(limit) => {
                            let _ = tokio::time::timeout(limit, rung).await;
                        }
                        None => rung.await,
                    }
                    Ok(())
                })
            })
        },
    ),
    row(
        "done(data)",
        "ends the run at once; `data` is the value of a fetch or converter",
        |lua, name, _| {
            parting(lua, name, |_, data: Scalar| {
                let run = Run::current().ok_or_else(|| Error::runtime("done: nothing runs here"))?;
                run.finish(Done::Value(data));
                Ok(())
            })
        },
    ),
    row(
        "set_nice(nice)",
        "accepts a priority from -1024 to 1024; all runs have the same share here, so it changes nothing",
        |lua, name, _| {
            function(lua, name, |_, Int(nice): Int| match nice {
                -1024..=1024 => Ok(()),
                _ => Err(bad_argument(1, "set_nice", "-1024 to 1024 expected")),
            })
        },
    ),
];

async fn sleep(time: Duration) -> mlua::Result<()> {
    tokio::time::sleep(time).await;
    Ok(())
}

//! What takes milliseconds of a processor, done beside the worker's thread, whose other sessions go on meanwhile.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::{ExternalId, ExternalRunner, LocalBoxFuture, LongWork, Session, Value};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Works that a worker has going on at a time. The rest wait their turn, so that those who ask for much of it can't
/// take the whole machine.
const AT_ONCE_MAX: usize = 2;

/// Runs scripts' fetches and converters in place, and long work on threads beside.
pub(crate) struct Aside {
    scripts: Rc<dyn ExternalRunner>,
    room: Arc<Semaphore>,
}

impl Aside {
    pub(crate) fn new(scripts: Rc<dyn ExternalRunner>) -> Aside {
        Aside {
            scripts,
            room: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }
}

impl ExternalRunner for Aside {
    fn fetch<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        self.scripts.fetch(id, session, args)
    }

    fn convert<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        input: Value,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        self.scripts.convert(id, session, input, args)
    }

    fn fetch_now(&self, id: ExternalId, session: &dyn Session, args: &[Value]) -> Option<Value> {
        self.scripts.fetch_now(id, session, args)
    }

    fn convert_now(
        &self,
        id: ExternalId,
        session: &dyn Session,
        input: Value,
        args: &[Value],
    ) -> Option<Value> {
        self.scripts.convert_now(id, session, input, args)
    }

    fn long_work(&self, work: LongWork) -> LocalBoxFuture<'_, Option<Value>> {
        Box::pin(async {
            let room = Arc::clone(&self.room).acquire_owned().await.ok()?;
            let work = move || {
                // Held to the end of the work, which also comes when nobody waits for it any more.
                let _room = room;
                work()
            };
            spawn_blocking(work).await.ok().flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::mpsc;
    use tidegate_sample::NoExternals;

    #[tokio::test]
    async fn works_wait_their_turn_also_behind_those_that_nobody_waits_for() {
        let aside = Aside::new(Rc::new(NoExternals));
        let mut ends = Vec::new();
        for _ in 0..AT_ONCE_MAX {
            let (end, ended) = mpsc::channel::<()>();
            let mut given_up =
                aside.long_work(Box::new(move || ended.recv().ok().map(|()| Value::Bool(true))));
            assert!((&mut given_up).now_or_never().is_none());
            ends.push(end);
        }
        let mut waiting = aside.long_work(Box::new(|| Some(Value::Int(7))));
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(aside.room.available_permits(), 0);
        drop(ends);
        assert_eq!(waiting.await, Some(Value::Int(7)));
    }
}

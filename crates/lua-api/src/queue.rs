//! The Queue class: what one run pushes, another pops, perhaps on another thread.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use mlua::{Error, Result, Table, UserData, UserDataFields, Value};
use tidegate_exec::{function, operation};

use crate::alarm::Alarm;
use crate::arg::{Named, Object};
use crate::row::{Row, install_class, own_fields, row};
use crate::run::Run;

pub(crate) const CORE_ROWS: &[Row] = &[row("queue()", "a new Queue", |lua, name, env| {
    install_class(lua, env, Queue::NAME, ROWS)?;
    function(lua, name, |lua, ()| {
        let items = lua.create_table()?;
        lua.create_userdata(Queue(Arc::new(Inner {
            items,
            ends: Mutex::default(),
        })))
    })
})];

pub(crate) const ROWS: &[Row] = &[
    row(
        "push(queue, item)",
        "adds an item at the end and says whether it could",
        |lua, name, _| {
            function(lua, name, |_, (queue, item): (Object<Queue>, Value)| {
                if item.is_nil() {
                    return Err(Error::runtime("push: nil can't be in a queue"));
                }
                queue.0.0.push(item)?;
                Ok(true)
            })
        },
    ),
    row(
        "pop(queue)",
        "takes the first item; nil if there is none",
        |lua, name, _| function(lua, name, |_, queue: Object<Queue>| queue.0.0.pop()),
    ),
    row(
        "pop_wait(queue)",
        "takes the first item, waiting for one",
        |lua, name, _| {
            operation(lua, name, |_, queue: Object<Queue>| {
                let queue = Arc::clone(&queue.0.0);
                Ok(async move {
                    let mut turn = Turn {
                        queue: &queue,
                        number: None,
                    };
                    poll_fn(|cx| turn.poll(cx)).await
                })
            })
        },
    ),
    row("size(queue)", "how many items there are", |lua, name, _| {
        function(lua, name, |_, queue: Object<Queue>| Ok(queue.0.0.ends().len()))
    }),
    row(
        "alarm(queue)",
        "lets the next item wake this run from `core.wait`, once",
        |lua, name, _| {
            function(lua, name, |_, queue: Object<Queue>| {
                let run = Run::current().ok_or_else(|| Error::runtime("alarm: nothing runs here"))?;
                let mut ends = queue.0.0.ends();
                let alarm = run.alarm();
                if !ends.alarms.iter().any(|known| Arc::ptr_eq(known, alarm)) {
                    ends.alarms.push(Arc::clone(alarm));
                }
                Ok(())
            })
        },
    ),
];

struct Queue(Arc<Inner>);

/// The items are in a Lua table, where the collector sees them; where it begins and ends is known here.
struct Inner {
    items: Table,
    ends: Mutex<Ends>,
}

/// What changes with each item. Held only between two uses of Lua.
#[derive(Default)]
struct Ends {
    first: i64,
    next: i64,
    waiters: VecDeque<(u64, Waker)>,
    waiters_made: u64,
    alarms: Vec<Arc<Alarm>>,
}

impl Ends {
    fn len(&self) -> i64 {
        self.next - self.first
    }
}

impl Inner {
    fn ends(&self) -> std::sync::MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, item: Value) -> Result<()> {
        let at = self.ends().next;
        // Under the state's lock nobody else gets between this and the line above.
        self.items.raw_set(at, item)?;
        let (waiter, alarms) = {
            let mut ends = self.ends();
            ends.next += 1;
            (ends.waiters.pop_front(), std::mem::take(&mut ends.alarms))
        };
        if let Some((_, waker)) = waiter {
            waker.wake();
        }
        for alarm in alarms {
            alarm.ring();
        }
        Ok(())
    }

    fn pop(&self) -> Result<Value> {
        let at = {
            let mut ends = self.ends();
            if ends.len() == 0 {
                return Ok(Value::Nil);
            }
            ends.first += 1;
            ends.first - 1
        };
        let item = self.items.raw_get(at)?;
        self.items.raw_set(at, Value::Nil)?;
        Ok(item)
    }
}

/// A place in the line of those who wait.
struct Turn<'a> {
    queue: &'a Inner,
    number: Option<u64>,
}

impl Turn<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Value>> {
        match self.queue.pop() {
            Ok(Value::Nil) => {}
            item => {
                self.leave();
                return Poll::Ready(item);
            }
        }
        let mut ends = self.queue.ends();
        let number = *self.number.get_or_insert_with(|| {
            ends.waiters_made += 1;
            ends.waiters_made
        });
        match ends.waiters.iter_mut().find(|(known, _)| *known == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => ends.waiters.push_back((number, cx.waker().clone())),
        }
        if ends.len() > 0 {
            // An item came between the look and the wait.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn leave(&mut self) {
        if let Some(number) = self.number.take() {
            self.queue.ends().waiters.retain(|(known, _)| *known != number);
        }
    }
}

impl Drop for Turn<'_> {
    /// A run that is cancelled may have been woken for an item that it will not take: the next one is told.
    fn drop(&mut self) {
        let Some(number) = self.number.take() else {
            return;
        };
        let next = {
            let mut ends = self.queue.ends();
            let waits = ends.waiters.iter().any(|(known, _)| *known == number);
            ends.waiters.retain(|(known, _)| *known != number);
            if !waits && ends.len() > 0 {
                ends.waiters.pop_front()
            } else {
                None
            }
        };
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

impl Named for Queue {
    const NAME: &'static str = "Queue";
}

impl UserData for Queue {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| Ok(own_fields(lua, Self::NAME)?.read));
        fields.add_meta_field_with("__newindex", |lua| Ok(own_fields(lua, Self::NAME)?.write));
    }
}

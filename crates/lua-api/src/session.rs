//! The Lua side of one transaction: its TXN object in each state, and the number that leads from there back.

use std::cell::OnceCell;
use std::rc::Rc;

use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Value};
use tidegate_exec::Kept;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::Failure;

use crate::handle::{self, Class, Session, Target};
use crate::run::{Kind, Run, misused};
use crate::state::State;

/// What is kept with a transaction from its first Lua function to its end, in the run that its functions share.
pub(crate) struct OfTxn {
    /// What leads its objects to it.
    session: Session,
    /// One object per state, so that scripts find there what they left.
    objects: OnceCell<Objects>,
}

/// The object in one state, and those in others.
struct Objects {
    generation: u64,
    object: Kept,
    next: OnceCell<Box<Objects>>,
}

impl OfTxn {
    /// The object in a state, if there is one.
    fn object(&self, generation: u64) -> Option<&Kept> {
        let mut next = self.objects.get();
        while let Some(objects) = next {
            if objects.generation == generation {
                return Some(&objects.object);
            }
            next = objects.next.get().map(|next| &**next);
        }
        None
    }

    fn add(&self, generation: u64, object: Kept) {
        let new = Objects {
            generation,
            object,
            next: OnceCell::new(),
        };
        let Err(new) = self.objects.set(new) else { return };
        let (mut last, mut new) = (self.objects.get(), Box::new(new));
        while let Some(objects) = last {
            match objects.next.set(new) {
                Ok(()) => return,
                Err(back) => new = back,
            }
            last = objects.next.get().map(|next| &**next);
        }
    }
}

/// What a function is started with.
pub(crate) struct TxnArg {
    keeper: Rc<Run>,
    generation: u64,
    /// What leads its objects to the transaction.
    pub(crate) session: Session,
    /// The run in which the function gets it.
    pub(crate) run: Rc<Run>,
}

impl TxnArg {
    /// The TXN object of the transaction.
    pub(crate) fn object(&self) -> Result<&Kept, Failure> {
        let of_txn = self.keeper.of_txn.get();
        let object = of_txn.and_then(|of_txn| of_txn.object(self.generation));
        object.ok_or_else(gone)
    }
}

fn gone() -> Failure {
    Failure::new("the object of the transaction is gone")
}

/// The TXN object of `txn` in `state`, made when it is first handed over, and a run to get it in.
///
/// # Errors
/// The state is another thread's.
pub(crate) fn txn_arg(state: &State, txn: &Rc<Txn>, kind: Kind) -> Result<TxnArg, Failure> {
    let keeper = keeper(txn).unwrap_or_else(|| {
        let session = Session::fresh();
        let run = Run::of(kind, txn);
        run.owns(session, Target::Txn(Rc::downgrade(txn)));
        run.keeps(OfTxn {
            session,
            objects: OnceCell::new(),
        });
        let kept: Rc<Run> = Rc::clone(&run);
        *txn.extension_slot().borrow_mut() = Some(kept);
        run
    });
    let generation = state.env.generation;
    let Some(of_txn) = keeper.of_txn.get() else {
        return Err(gone());
    };
    let session = of_txn.session;
    if of_txn.object(generation).is_none() {
        let new = handle::object(state.classes.txn.of(txn), session, Class::Txn);
        let object = state.vm.keep(new);
        of_txn.add(
            generation,
            object.map_err(|misuse| misused(state.env.state_id, misuse))?,
        );
    }
    // A run that is still going on (this one was started from inside of it) stays what it is. The transaction has it, and
    // so do we.
    let run = match Rc::strong_count(&keeper) {
        ..=2 => Rc::clone(&keeper),
        _ => {
            let run = Run::of(kind, txn);
            run.owns(session, Target::Txn(Rc::downgrade(txn)));
            run
        }
    };
    run.kind.set(kind);
    Ok(TxnArg {
        keeper,
        generation,
        session,
        run,
    })
}

/// The run that keeps what is of `txn`.
pub(crate) fn keeper(txn: &Txn) -> Option<Rc<Run>> {
    let slot = txn.extension_slot().borrow();
    Rc::clone(slot.as_ref()?).downcast().ok()
}

/// An object, then texts.
pub(crate) struct WithTexts<'a, O>(pub(crate) O, pub(crate) &'a [String]);

impl<O: IntoLua> IntoLuaMulti for WithTexts<'_, O> {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        let mut values = MultiValue::with_capacity(1 + self.1.len());
        values.push_back(self.0.into_lua(lua)?);
        for text in self.1 {
            values.push_back(Value::String(lua.create_string(text)?));
        }
        Ok(values)
    }
}

//! `stick on`, `stick match`, `stick store-request` and `stick store-response`.

use std::rc::Rc;

use tidegate_sample::stick::Stick;
use tidegate_sample::{Place, Way};

use crate::parse::args::{Args, Parsed};
use crate::parse::proxy::ProxyCx;
use crate::parse::{rules, sampled};

/// One line.
pub(crate) fn stick(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let kinds = [
        ("on", (true, Some(Way::Request))),
        ("match", (true, None)),
        ("store-request", (false, Some(Way::Request))),
        ("store-response", (false, Some(Way::Response))),
    ];
    let word = args.peek();
    let (matches, stores) = args.one_of("a kind of `stick` line", &kinds)?;
    if let Some(word) = word {
        args.named(word);
    }
    let place = match stores {
        Some(Way::Response) => Place::StickStore,
        _ => Place::ServerChoice,
    };
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(place).with_acls(&acls);
    let word = args.expect("an expression such as `src`")?;
    let key = sampled::expression(word, &scope)?;
    let table = if args.take("table") {
        super::named(&scope, args.expect("the name of a table")?)?
    } else {
        super::own(&scope, args.last())?
    };
    super::fits(&key, &table, word)?;
    table.keep_servers();
    let condition = rules::condition(cx, args, &scope)?;
    cx.proxy.stick.push(Stick {
        matches,
        stores,
        key,
        table,
        condition,
    });
    Ok(())
}

//! Maps and lists of patterns, as scripts look into them and change them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Site, directory_with, http, load, out, run, script};

/// Runs the lines beside a map `m`, its Patref `ref`, and the Patref `acl` of a list of patterns.
fn shown(lines: &str) -> String {
    let directory = directory_with(&[
        ("m.map", "a 1\nb 2\n10.0.0.0/8 ten\n"),
        ("ip.map", "10.0.0.0/8 ten\n::1 six\n"),
        ("acl.lst", "q\n"),
    ]);
    let file = |name: &str| directory.join(name).display().to_string();
    let text = format!(
        "m = Map.new('{}', Map._str) name = '{0}'
         ips = Map.new('{}', Map._ip)
         core.c:map_beg('x', name)
         local known = core.sf and core.f
         function plain(text, what)
             local first, last = tostring(text):find(what, 1, true)
             return first and text:sub(1, first - 1) .. 'IT' .. text:sub(last + 1) or text
         end
         {}",
        file("m.map"),
        file("ip.map"),
        script(&format!("local acl_name = '{}'\n{lines}", file("acl.lst")))
    );
    let site = Site::new(&text);
    let txn = http("/");
    run(site.act("eval", &txn));
    out(&txn)
}

#[test]
fn a_map_is_looked_up_by_its_method() {
    assert_eq!(
        shown(
            "out(m:lookup('a'), m:slookup('a'), m:lookup('zz'), m:slookup('zz'))
             out(ips:lookup('10.1.2.3'), ips:lookup('::1'), ips:lookup('11.0.0.1'), ips:lookup('no'))
             out(Map._int, Map._ip, Map._str, Map._beg, Map._sub, Map._dir, Map._dom, Map._end, Map._reg, Map.str, Map['end'])
             try(Map.new, '/nowhere', Map._str) try(Map.new, name, 99) try(m.lookup, 5, 'a') try(m.lookup, m, nil)"
        ),
        "1,1,nil,|ten,six,nil,nil|2,3,6,7,8,9,10,11,12,6,11|\
         'new': failed to open pattern file </nowhere>: cannot read map file `/nowhere`: No such file or directory (os error 2).|\
         'new' needs a valid match method.|bad argument #1 to 'lookup' (Map expected, got number)|bad argument #2 to 'lookup' (string expected)"
    );
    let failed = load("Map.new('/nowhere', Map._str)").err().unwrap();
    let said = failed.first().unwrap().to_string();
    assert!(
        said.contains("'new': failed to open pattern file </nowhere>"),
        "{said}"
    );
}

#[test]
fn the_older_functions_change_maps_and_lists() {
    assert_eq!(
        shown(
            "core.set_map(name, 'new', 'x') out(m:lookup('new')) core.set_map(name, 'new', 'y') out(m:lookup('new'))
             core.del_map(name, 'new') out(m:lookup('new')) core.del_map(name, 'new')
             try(core.set_map, '/nope', 'a', 'b') try(core.del_map, '/nope', 'a') try(core.add_acl, '/nope', 'a')
             out(plain(select(2, pcall(core.add_acl, name, 'a')), name)) try(core.set_map, name)"
        ),
        "x|y|nil|'set_map': unknown map file '/nope'|'del_map': unknown map file '/nope'|\
         'add_acl': unknown acl file '/nope'|'add_acl': unknown acl file 'IT'|bad argument #2 to 'set_map' (string expected, got nil)"
    );
}

#[test]
fn a_patref_changes_what_is_matched_with() {
    assert_eq!(
        shown(
            "local ref = core.get_patref(name)
             out(ref:get_name() == name, ref:is_map(), ref.a, ref.zz, ref['10.0.0.0/8'])
             out(ref:add('c', '3'), m:lookup('c'), ref:add('d'))
             out(ref:set('c', '4'), m:lookup('c'), ref:set('nope', '1'))
             out(ref:set('nope', '1', true), m:lookup('nope'))
             out(ref:del('c'), ref:del('c'), m:lookup('c'))
             out(ref:add_bulk({x = '7', y = '8'}), m:lookup('x'), m:lookup('y'), ref:add_bulk({[true] = '1'}))
             local all = {} for k, v in pairs(ref) do all[#all + 1] = k .. '=' .. v end
             table.sort(all) out(table.concat(all, ' '))
             out(ref:purge(), m:lookup('a'), next({pairs(ref)()}))
             try(core.get_patref, '/nope')"
        ),
        "true,true,1,nil,ten|true,3,nil,an entry of a map needs a value|true,4,nil,entry not found|true,1|\
         true,false,nil|true,7,8,nil,a key is a boolean|\
         10.0.0.0/8=ten a=1 b=2 nope=1 x=7 y=8|true,nil,nil|'get_patref': unknown pattern reference '/nope'"
    );
}

#[test]
fn what_is_prepared_takes_its_place_as_a_whole() {
    assert_eq!(
        shown(
            "local ref = core.get_patref(name)
             out(ref:commit())
             ref:prepare()
             out(ref:add('n', '1'), ref:add('o', '2'), ref:add_bulk({p = '3'}), ref.a, ref.n)
             out(m:lookup('n'), m:lookup('a'))
             out(ref:set('n', '9'), ref:set('a', '9'), ref:set('q', '5', true), ref:del('o'), ref:del('o'))
             local all = {} for k, v in pairs(ref) do all[#all + 1] = k .. '=' .. v end
             table.sort(all) out(table.concat(all, ' '))
             out(ref:commit(), m:lookup('n'), m:lookup('p'), m:lookup('q'), m:lookup('a'), m:lookup('o'))
             ref:prepare() ref:add('z', '1') ref:giveup() out(m:lookup('z'), m:lookup('n'), ref:commit())
             local other = core.get_patref(name)
             ref:prepare() other:prepare() other:add('w', '1') out(other:commit())
             out(plain(select(2, ref:commit()), name))"
        ),
        "nil,nothing was prepared|true,true,true,nil,1|nil,1|true,nil,true,true,false|\
         n=9 p=3 q=5|true,9,3,5,nil,nil|nil,9,nil,nothing was prepared|true|\
         `IT` has no version 3 that is being prepared"
    );
}

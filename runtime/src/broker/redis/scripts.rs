//! The scripts. Their first line says what they may do: one that only reads runs on any server;
//! one that frees memory or keeps a lease runs where none is left; any other is refused there
//! before it begins.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal, $flags:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!(
                    "#!lua",
                    $flags,
                    "\n",
                    include_str!("lua/prelude.lua"),
                    include_str!($file)
                ))
            });
        )*
    };
}

scripts! {
    OPEN = "lua/open.lua", "";
    REGISTER = "lua/register.lua", "";
    JOBS = "lua/jobs.lua", " flags=no-writes";
    PUBLISH = "lua/publish.lua", "";
    RECEIVE = "lua/receive.lua", "";
    RENEW = "lua/renew.lua", " flags=allow-oom";
    COMMIT = "lua/commit.lua", "";
    PUT_BACK = "lua/put_back.lua", " flags=allow-oom";
    HELD = "lua/held.lua", " flags=no-writes";
    SET_ASIDE = "lua/set_aside.lua", " flags=allow-oom";
    PROGRESS = "lua/progress.lua", " flags=no-writes";
    STORE_VALUES = "lua/store_values.lua", "";
    VALUES = "lua/values.lua", " flags=no-writes";
    OUTCOMES = "lua/outcomes.lua", " flags=no-writes";
    CANCEL = "lua/cancel.lua", " flags=allow-oom";
    FORGET = "lua/forget.lua", " flags=allow-oom";
    SWEEP = "lua/sweep.lua", " flags=allow-oom";
    CLEAR = "lua/clear.lua", " flags=allow-oom";
    BEAT = "lua/beat.lua", " flags=allow-oom";
    WATCH = "lua/watch.lua", " flags=allow-oom";
    MISS = "lua/miss.lua", " flags=allow-oom";
    BEATS = "lua/beats.lua", " flags=no-writes";
}

//! Which build this is.

/// The version of the package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, `unknown` outside a checkout.
pub(crate) const COMMIT: &str = env!("TTG_BUILD_COMMIT");

/// The day it was built on, by UTC.
pub(crate) const DATE: &str = env!("TTG_BUILD_DATE");

/// When it was built, in seconds since 1970: the start of that day.
pub(crate) const SECONDS: u64 = match u64::from_str_radix(env!("TTG_BUILD_SECONDS"), 10) {
    Ok(seconds) => seconds,
    Err(_) => 0,
};

/// As `--version` tells it.
pub(crate) const LONG: &str = env!("TTG_BUILD_VERSION");

/// As outcomes record it.
pub(crate) fn id() -> String {
    format!("{VERSION}+{COMMIT}")
}

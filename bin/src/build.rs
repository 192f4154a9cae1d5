//! Which build this is.

/// The version of the package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, `unknown` outside a checkout.
pub(crate) const COMMIT: &str = match option_env!("TTG_BUILD_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// As outcomes record it.
pub(crate) fn id() -> String {
    format!("{VERSION}+{COMMIT}")
}

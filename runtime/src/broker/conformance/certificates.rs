//! Certificates for tests of TLS.

use std::path::Path;
use std::process::Command;

/// Makes in `folder` an authority (`ca.pem`, `ca.key`), by it a `server` and a `client`, both of
/// 127.0.0.1, and an authority that vouches for neither (`other.pem`). They are good for two days.
///
/// # Panics
/// If there is no `openssl`, or it fails.
pub fn certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        let line = format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj");
        openssl(folder, &format!("{line} /CN=ttg-test-{name}"));
    }
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1")
        .expect("the folder is ours");
    for name in ["server", "client"] {
        openssl(folder, &format!("req {key} -keyout {name}.key -out {name}.req -subj /CN={name}"));
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.req -CA ca.pem -CAkey ca.key -CAcreateserial -out \
                 {name}.pem -days 2 -extfile names"
            ),
        );
    }
}

fn openssl(folder: &Path, line: &str) {
    let mut command = Command::new("openssl");
    let ended = command.args(line.split_whitespace()).current_dir(folder).output();
    let ended = ended.expect("openssl can be run: apt-get install openssl");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

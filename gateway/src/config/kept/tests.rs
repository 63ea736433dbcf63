//! Kept files: whole or noticed, for nobody else to read, and gone when they are of no more use.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;

/// The organisation `acme` with this name, in a folder below `base`.
fn acme(base: &Path, name: &str) -> (Organisation, Texts) {
    let folder = base.join("acme");
    fs::create_dir_all(&folder).unwrap();
    let head = format!("id = \"acme\"\nname = \"{name}\"\nroot = \"Operator::acme\"\n");
    fs::write(folder.join("organisation.toml"), head).unwrap();
    let texts = Texts::read(&folder, base).unwrap();
    let mut problems = Vec::new();
    let data = texts.organisation(base, &|_| None, &mut problems).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    (Organisation::build(data).unwrap(), texts)
}

fn beside(base: &Path) -> KeptFiles {
    KeptFiles::beside(&base.join("state/hubgate.sqlite"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files(kept: &KeptFiles) -> Vec<String> {
    let entries = fs::read_dir(&kept.0).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn what_is_kept_is_whole_and_for_the_gateways_user_only() {
    let base = tempfile::tempdir().unwrap();
    let (organisation, texts) = acme(base.path(), "Acme");
    let kept = beside(base.path());
    assert!(!kept.has(&organisation) && !kept.has_whole(&organisation));
    kept.write(&organisation, &texts).unwrap();
    kept.settle();
    assert!(kept.has(&organisation) && kept.has_whole(&organisation));
    let read = kept.read(texts.folder(), &organisation).unwrap();
    assert_eq!(read.digest(), organisation.digest());
    assert_eq!(files(&kept), [name(&organisation)], "no draft is left");
    let folder = base.path().join("state/hubgate.kept");
    assert_eq!((mode(&folder), mode(&folder.join(name(&organisation)))), (0o700, 0o600));
}

#[test]
fn damage_is_noticed_and_written_over() {
    let base = tempfile::tempdir().unwrap();
    let (organisation, texts) = acme(base.path(), "Acme");
    let kept = beside(base.path());
    kept.write(&organisation, &texts).unwrap();
    let file = kept.0.join(name(&organisation));
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cut = good[..good.len() / 2].to_vec();
    let longer = [&good[..], b"\0"].concat();
    for damaged in [Vec::new(), cut, flipped, longer] {
        fs::write(&file, &damaged).unwrap();
        assert!(kept.has(&organisation), "something is there");
        assert!(!kept.has_whole(&organisation), "{damaged:?}");
        let error = kept.read(texts.folder(), &organisation).unwrap_err();
        assert_eq!(error, "they are damaged", "{damaged:?}");
        kept.write(&organisation, &texts).unwrap();
        assert!(kept.has_whole(&organisation));
        assert_eq!(fs::read(&file).unwrap(), good);
    }
    fs::remove_file(&file).unwrap();
    let error = kept.read(texts.folder(), &organisation).unwrap_err();
    assert!(error.starts_with("they cannot be read: "), "{error}");
}

#[test]
fn earlier_states_and_dropped_drafts_are_removed() {
    let base = tempfile::tempdir().unwrap();
    let kept = beside(base.path());
    let (earlier, texts) = acme(base.path(), "Acme");
    kept.write(&earlier, &texts).unwrap();
    let (now, texts) = acme(base.path(), "Acme Ltd");
    kept.write(&now, &texts).unwrap();
    // As a process leaves it that is killed while it writes.
    fs::write(kept.0.join(format!(".7-{}", name(&now))), "half").unwrap();
    assert_eq!(files(&kept).len(), 3);
    let now = Arc::new(now);
    kept.retain(&Directory::build(vec![Arc::clone(&now)]).unwrap());
    assert_eq!(files(&kept), [name(&now)]);
    assert!(kept.has_whole(&now));
}

//! Which events concern the files the gateway reads. The log and the state it writes do not.

use std::path::{Path, PathBuf};

use notify::{Event, EventKind};

/// The files and folders whose change counts.
#[derive(Debug, Default)]
pub(super) struct WatchedFiles {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

/// What Kubernetes renames when it changes a mounted file: the file itself is a link through it.
const LINKED_FOLDER: &str = "..data";

impl WatchedFiles {
    /// Sorts `places` into files and folders.
    pub(super) fn new(places: &[PathBuf]) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let (folders, files) = places.iter().map(absolute).partition(|path| path.is_dir());
        Self { files, folders }
    }

    /// The folders to watch, and whether with everything below. A file is watched through its folder,
    /// since an editor puts a new file in the place of the old.
    pub(super) fn folders(&self) -> Vec<(PathBuf, bool)> {
        let mut watched: Vec<_> = self.folders.iter().map(|path| (path.clone(), true)).collect();
        for file in &self.files {
            let Some(parent) = file.parent() else {
                continue;
            };
            let covered = watched
                .iter()
                .any(|(folder, below)| folder == parent || (*below && parent.starts_with(folder)));
            if !covered {
                watched.push((parent.to_path_buf(), false));
            }
        }
        watched
    }

    /// Whether `event` may have changed what the gateway read.
    pub(super) fn concerns(&self, event: &Event) -> bool {
        if event.need_rescan() {
            return true;
        }
        // Reading is no change; without this the reload itself would ring.
        !matches!(event.kind, EventKind::Access(_))
            && event.paths.iter().any(|path| self.holds(path))
    }

    fn holds(&self, path: &Path) -> bool {
        let linked = path.file_name().is_some_and(|name| name == LINKED_FOLDER);
        let beside = |file: &PathBuf| linked && file.parent() == path.parent();
        self.folders.iter().any(|folder| path.starts_with(folder))
            || self.files.iter().any(|file| file == path || beside(file))
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, ModifyKind};

    use super::*;

    fn watched(folder: &Path) -> WatchedFiles {
        std::fs::create_dir_all(folder.join("policies")).unwrap();
        WatchedFiles::new(&[folder.join("gateway.toml"), folder.join("policies")])
    }

    fn event(kind: EventKind, path: PathBuf) -> Event {
        Event::new(kind).add_path(path)
    }

    #[test]
    fn a_written_or_replaced_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let files = watched(folder.path());
        let any = EventKind::Modify(ModifyKind::Any);
        for name in ["gateway.toml", "policies/a.cedar", "policies/new/b.cedar", "..data"] {
            assert!(files.concerns(&event(any, folder.path().join(name))), "{name}");
        }
    }

    #[test]
    fn what_the_gateway_writes_and_reads_itself_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let files = watched(folder.path());
        let any = EventKind::Create(CreateKind::Any);
        for name in ["log/x/00000001.jsonl", "state/hubgate.sqlite-wal", "gateway.toml~"] {
            assert!(!files.concerns(&event(any, folder.path().join(name))), "{name}");
        }
        let read = EventKind::Access(AccessKind::Any);
        assert!(!files.concerns(&event(read, folder.path().join("gateway.toml"))));
    }

    #[test]
    fn a_file_is_watched_through_its_folder_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut places = vec![path.join("gateway.toml"), path.join("cert.pem")];
        assert_eq!(WatchedFiles::new(&places).folders(), [(path.to_path_buf(), false)]);
        std::fs::create_dir(path.join("tenants")).unwrap();
        places.extend([path.join("tenants"), path.join("tenants/ca.pem")]);
        let expected = [(path.join("tenants"), true), (path.to_path_buf(), false)];
        assert_eq!(WatchedFiles::new(&places).folders(), expected);
    }
}

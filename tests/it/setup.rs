//! The plugin's command as a command of one's own: installed, replaced and removed, and nobody else's file ever touched.

use std::fs;
use std::path::PathBuf;

use crate::world::{Outcome, World};

/// A world with a project's folder apart from the home.
struct Desk {
    world: World,
    project: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let world = World::start();
        let project = world.home.join("project");
        fs::create_dir(&project).unwrap();
        Self { world, project }
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.world.command(&[&["setup", "claude"], arguments].concat());
        self.world.finish(command.current_dir(&self.project).spawn().unwrap())
    }

    #[track_caller]
    fn shown(&self, code: i32, arguments: &[&str]) -> String {
        self.run(arguments).exits(code).shown(&self.world)
    }

    /// The project's command.
    fn command(&self) -> PathBuf {
        self.project.join(".claude/commands/migrate.md")
    }

    /// Puts a file where the command belongs.
    fn put(&self, text: &str) {
        fs::create_dir_all(self.command().parent().unwrap()).unwrap();
        fs::write(self.command(), text).unwrap();
    }

    /// The text that is installed.
    fn text(&self) -> String {
        fs::read_to_string(self.command()).unwrap()
    }
}

/// The command as the plugin has it.
fn shipped() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/commands/migrate.md")).unwrap()
}

/// The text without its second line, where the marker stands.
fn unmarked(text: &str) -> String {
    text.lines().enumerate().filter(|(number, _)| *number != 1).map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn the_projects_command_is_installed_found_again_and_removed() {
    let desk = Desk::new();
    insta::assert_snapshot!("installed_project", desk.shown(0, &[]));
    assert_eq!(unmarked(&desk.text()), shipped());
    let names: Vec<_> = fs::read_dir(desk.command().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["migrate.md"], "no draft is left");
    insta::assert_snapshot!("unchanged_project", desk.shown(0, &["--project"]));
    insta::assert_snapshot!("removed", desk.shown(0, &["--remove", "--project"]));
    assert!(!desk.command().exists());
    insta::assert_snapshot!("absent", desk.shown(0, &["--remove"]));
    assert!(!desk.world.home.join(".claude").exists(), "the user's own commands are another matter");
}

#[test]
fn the_users_command_goes_where_claude_code_keeps_its_configuration() {
    let mut desk = Desk::new();
    insta::assert_snapshot!("installed_user", desk.shown(0, &["--user"]));
    assert!(desk.world.home.join(".claude/commands/migrate.md").is_file());
    desk.world.set("CLAUDE_CONFIG_DIR", desk.world.home.join("elsewhere").display().to_string());
    insta::assert_snapshot!("installed_configured", desk.shown(0, &["--user"]));
    assert!(desk.world.home.join("elsewhere/commands/migrate.md").is_file());
    desk.run(&["--user", "--remove"]).exits(0);
    assert!(!desk.world.home.join("elsewhere/commands/migrate.md").exists());
    assert!(desk.world.home.join(".claude/commands/migrate.md").is_file());
    assert!(!desk.command().exists());
    // empty is unset, and then there is no place
    desk.world.set("CLAUDE_CONFIG_DIR", "");
    desk.world.unset("HOME");
    insta::assert_snapshot!("nowhere", desk.shown(2, &["--user"]));
}

#[test]
fn what_an_earlier_version_installed_is_replaced() {
    let desk = Desk::new();
    desk.run(&[]).exits(0);
    let now = desk.text();
    // as an earlier version would have: another text under its own digest
    let older = "---\ndescription: Moves\n---\n\nMigrate $ARGUMENTS\n";
    let digest = standins::content::Content::from(older).sha256().to_owned();
    let marker = now.lines().nth(1).unwrap().rsplit_once(' ').unwrap().0;
    desk.put(&older.replacen("---\n", &format!("---\n{marker} {digest}\n"), 1));
    insta::assert_snapshot!("updated", desk.shown(0, &[]));
    assert_eq!(desk.text(), now);
}

#[test]
fn a_foreign_file_is_neither_replaced_nor_removed() {
    let desk = Desk::new();
    for (name, text) in [("foreign", "---\ndescription: mine\n---\nMigrate the database\n"), ("empty", "")] {
        desk.put(text);
        insta::assert_snapshot!(format!("kept_{name}"), desk.shown(3, &[]));
        insta::assert_snapshot!(format!("not_removed_{name}"), desk.shown(3, &["--remove"]));
        assert_eq!(desk.text(), text);
    }
    // the command of the plugin, copied by hand, is the one's who copied it
    desk.put(&shipped());
    desk.run(&["--remove"]).exits(3);
    assert_eq!(desk.text(), shipped());
}

#[test]
fn a_command_that_was_changed_since_is_neither_replaced_nor_removed() {
    let desk = Desk::new();
    desk.run(&[]).exits(0);
    let changed = desk.text() + "Answer in French.\n";
    desk.put(&changed);
    insta::assert_snapshot!("kept_edited", desk.shown(3, &[]));
    insta::assert_snapshot!("not_removed_edited", desk.shown(3, &["--remove"]));
    assert_eq!(desk.text(), changed);
}

#[test]
fn a_link_is_foreign_even_where_it_leads_to_our_text() {
    let desk = Desk::new();
    desk.run(&[]).exits(0);
    let real = desk.project.join("kept.md");
    fs::rename(desk.command(), &real).unwrap();
    std::os::unix::fs::symlink(&real, desk.command()).unwrap();
    desk.run(&[]).exits(3);
    desk.run(&["--remove"]).exits(3);
    assert!(desk.command().is_symlink() && real.is_file());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let desk = Desk::new();
    fs::write(desk.project.join(".claude"), "a file").unwrap();
    insta::assert_snapshot!("no_folder", desk.shown(1, &[]));
    assert_eq!(fs::read_to_string(desk.project.join(".claude")).unwrap(), "a file");
}

#[test]
fn with_json_each_outcome_is_one_object() {
    let desk = Desk::new();
    let mut seen = Vec::new();
    for arguments in [&["--json"][..], &["--json"], &["--json", "--remove"], &["--json", "--remove"]] {
        let answer = desk.run(arguments).exits(0).json();
        assert_eq!((answer["scope"].as_str(), answer["path"].as_str()), (Some("project"), desk.command().to_str()));
        seen.push(answer["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["installed", "unchanged", "removed", "absent"]);
    desk.put("mine");
    assert_eq!(desk.run(&["--json"]).exits(3).json()["error"]["kind"], "needs_confirmation");
}

#[test]
fn wrong_words_are_refused_and_nothing_is_written() {
    let desk = Desk::new();
    insta::assert_snapshot!("both_places", desk.shown(2, &["--project", "--user"]));
    let other = desk.world.run(&["setup", "emacs"]).exits(2);
    insta::assert_snapshot!("other_client", other.shown(&desk.world));
    assert!(!desk.command().exists() && !desk.world.home.join(".claude").exists());
}

#[test]
fn the_commands_of_the_text_are_those_of_both_servers_and_only_the_ones_that_read() {
    let text = shipped();
    let allowed: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  - mcp__")).collect();
    for prefix in ["plugin_hf2ms_hf2ms__", "hf2ms__"] {
        let of: Vec<_> = allowed.iter().filter_map(|name| name.strip_prefix(prefix)).collect();
        assert_eq!(of, ["validate_tokens", "plan_migration", "status", "verify_migration", "inventory", "setup_help"]);
    }
    assert_eq!(allowed.len(), 12);
}

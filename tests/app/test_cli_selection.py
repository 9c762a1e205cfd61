"""`tenkyo index` with globs, a `.tenkyoignore` and as a dry run: what is printed, and the exit codes."""

import json
from pathlib import Path

from tests.app.conftest import Shell


def test_globs_and_ignore_files_leave_files_out(shell: Shell, folder: Path) -> None:
    (folder / ".tenkyoignore").write_text("zaitaku.*\n")
    result = shell.run("index", folder, "-c", "team", "--json", "--include", "*.md", "--exclude", "leave.md")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--include '*.md' matches no file" in result.stderr
    report = json.loads(shell.run("index", folder, "-c", "team", "--json", "--include", "*.md").stdout)
    assert (report["indexed"], report["excluded"]) == (1, 2)
    both = shell.run("index", folder, "-c", "team", "--include", "*.md", "--include", "*.txt")
    assert both.exit_code == 0
    assert "Left out" in both.stdout
    assert [d["documents"] for d in json.loads(shell.run("status", "--json").stdout)][-1] == 2


def test_a_bad_glob_or_ignore_file_is_named_and_nothing_is_changed(shell: Shell, folder: Path) -> None:
    result = shell.run("index", folder, "-c", "team", "--exclude", "[z-a]")
    assert result.exit_code == 2
    assert "--exclude '[z-a]' is no pattern" in result.stderr
    (folder / ".tenkyoignore").write_text("ok\n[\n")
    result = shell.run("index", folder, "-c", "team", "--dry-run")
    assert result.exit_code == 2
    assert ".tenkyoignore, line 2: '['" in result.stderr
    assert len(json.loads(shell.run("status", "--json").stdout)) == 1


def test_a_dry_run_prints_the_plan_and_writes_nothing(shell: Shell, folder: Path) -> None:
    assert shell.run("index", folder, "-c", "team").exit_code == 0
    (folder / "leave.md").rename(folder / "[red]away.md")
    (folder / "expenses.txt").unlink()
    (folder / "new.txt").write_text("words")
    (folder / "zaitaku.md").write_text("# 変更")
    table = shell.run("index", folder, "-c", "team", "--dry-run")
    assert table.exit_code == 0
    plan = [line for line in table.stdout.splitlines() if line.split()[0] in ("rename", "index", "remove")]
    assert plan == ["rename leave.md -> [red]away.md", "index  new.txt", "index  zaitaku.md", "remove expenses.txt"]
    assert "nothing was written" in " ".join(table.stdout.split())
    told = json.loads(shell.run("index", folder, "-c", "team", "--dry-run", "--json").stdout)
    assert (told["dry_run"], told["would_index"]) == (True, ["[red]away.md", "new.txt", "zaitaku.md"])
    assert told["renamed"] == [{"path": "[red]away.md", "was": "leave.md"}]
    done = json.loads(shell.run("index", folder, "-c", "team", "--json").stdout)
    assert {name: done[name] for name in ("indexed", "removed", "renamed")} == {
        name: told[name] for name in ("indexed", "removed", "renamed")
    }


def test_a_dry_run_on_a_new_machine_makes_no_data_folder(shell: Shell, folder: Path, tmp_path: Path) -> None:
    result = shell.run("--home", tmp_path / "new", "index", folder, "--dry-run", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["indexed"] == 3
    assert not (tmp_path / "new").exists()
    unreadable = shell.run("--home", tmp_path / "new", "index", folder / "absent", "--dry-run")
    assert unreadable.exit_code == 2
    assert "does not exist" in unreadable.stderr

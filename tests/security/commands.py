"""Every command of `flow`, and what joe is told who may add processors and sockets, and tries it on what is ann's.

`{mark}` ends the names of hers, `{call}` is the id of her call; `{joe}` is his name.
"""

from __future__ import annotations

# The right that he is told he lacks.
LACKS: dict[tuple[str, ...], str] = {
    ("add", "agent", "-n", "x", "-nd", "node{mark}"): "ADD_AGENT",
    ("add", "member", "-u", "{joe}", "--network", "lab{mark}"): "UPDATE",
    ("add", "network", "-n", "x{mark}"): "CREATE",
    ("add", "node", "-n", "x", "--network", "lab{mark}"): "ADD_NODE",
    ("add", "plug", "-n", "x", "-s", "sock{mark}", "-t", "sock{mark}", "-q", "q{mark}"): "ADD_PLUG",
    ("add", "privilege", "-u", "{joe}", "-n", "RUN_TASK"): "ADD_PRIVILEGE",
    ("add", "privilege", "-r", "role{mark}", "-n", "RUN_TASK"): "ADD_PRIVILEGE",
    ("add", "queue", "-n", "x"): "ADD_QUEUE",
    ("add", "role", "-n", "x{mark}"): "ADD_ROLE",
    ("add", "user", "-n", "x{mark}", "-e", "x"): "ADD_USER",
    ("agent", "start", "-n", "x{mark}"): "START_AGENT",
    ("agent", "start", "-n", "node{mark}", "--network", "lab{mark}"): "START_AGENT",
    ("call", "cancel", "{call}"): "CANCEL_TASK",
    ("call", "discard", "{call}"): "CANCEL_TASK",
    ("call", "replay", "{call}"): "RUN_TASK",
    ("call", "retry", "{call}"): "RUN_TASK",
    ("db", "drop", "-y"): "DB_DROP",
    ("db", "migrate"): "DB_INIT",
    ("db", "rebuild", "-y"): "DB_DROP",
    ("delete", "agent", "-n", "agent{mark}"): "DELETE_AGENT",
    ("delete", "deployment", "-n", "proc{mark}@node{mark}"): "EDIT_PROCESSOR_CONFIG",
    ("delete", "member", "-u", "ann{mark}", "--network", "lab{mark}"): "UPDATE",
    ("delete", "network", "-n", "lab{mark}", "--cascade"): "DELETE",
    ("delete", "node", "-n", "node{mark}"): "DELETE_NODE",
    ("delete", "plug", "-n", "plug{mark}"): "DELETE_PLUG",
    ("delete", "privilege", "-u", "ann{mark}", "-n", "RUN_TASK"): "DELETE_PRIVILEGE",
    ("delete", "privilege", "-r", "role{mark}", "-n", "RUN_TASK"): "DELETE_PRIVILEGE",
    ("delete", "processor", "-n", "proc{mark}", "--cascade"): "DELETE_PROCESSOR",
    ("delete", "queue", "-n", "q{mark}", "--cascade"): "DELETE_QUEUE",
    ("delete", "role", "-n", "role{mark}"): "DELETE_ROLE",
    ("delete", "socket", "-n", "sock{mark}", "--cascade"): "DELETE_SOCKET",
    ("node", "enroll", "-n", "x{mark}"): "START_AGENT",
    ("node", "enroll", "-n", "node{mark}", "--network", "lab{mark}"): "START_AGENT",
    ("node", "revoke", "-n", "node{mark}", "--network", "lab{mark}"): "UPDATE_NODE",
    ("proc", "lock", "-n", "proc{mark}"): "LOCK_PROCESSOR",
    ("proc", "pause", "-n", "proc{mark}"): "PAUSE_PROCESSOR",
    ("proc", "remove", "-n", "proc{mark}"): "STOP_PROCESSOR",
    ("proc", "restart", "-n", "proc{mark}"): "START_PROCESSOR",
    ("proc", "resume", "-n", "proc{mark}"): "RESUME_PROCESSOR",
    ("proc", "start", "-n", "proc{mark}"): "START_PROCESSOR",
    ("proc", "stop", "-n", "proc{mark}"): "STOP_PROCESSOR",
    ("proc", "unlock", "-n", "proc{mark}"): "UNLOCK_PROCESSOR",
    ("queue", "purge", "-n", "q{mark}", "-y"): "CANCEL_TASK",
    ("queue", "send", "-n", "q{mark}", "-d", "1"): "RUN_TASK",
    ("secret", "delete", "-n", "sec{mark}"): "DELETE",
    ("secret", "set", "-n", "sec{mark}"): "CREATE",
    ("task", "run", "-s", "sock{mark}", "-d", "1"): "RUN_TASK",
    ("task", "run", "-n", "echo{mark}", "-d", "1"): "RUN_TASK",
    ("update", "agent", "-n", "agent{mark}", "--rename", "x"): "UPDATE_AGENT",
    ("update", "deployment", "-n", "proc{mark}@node{mark}", "-c", "2"): "EDIT_PROCESSOR_CONFIG",
    ("update", "network", "-n", "lab{mark}", "--description", "x"): "UPDATE",
    ("update", "node", "-n", "node{mark}", "-h", "x"): "UPDATE_NODE",
    ("update", "plug", "-n", "plug{mark}", "--description", "x"): "UPDATE_PLUG",
    ("update", "processor", "-n", "proc{mark}", "--description", "x"): "UPDATE_PROCESSOR",
    ("update", "processor", "-n", "proc{mark}", "-r", "3"): "EDIT_PROCESSOR_CONFIG",
    ("update", "processor", "-n", "proc{mark}", "--env", "A=b"): "EDIT_PROCESSOR_CONFIG",
    ("update", "processor", "-n", "proc{mark}", "--branch", "main"): "EDIT_PROCESSOR_CODE",
    ("update", "queue", "-n", "q{mark}", "-t", "fanout"): "UPDATE_QUEUE",
    ("update", "socket", "-n", "sock{mark}", "--description", "x"): "UPDATE_SOCKET",
    ("update", "user", "-n", "ann{mark}", "-e", "x"): "UPDATE_USER",
    ("update", "user", "-n", "{joe}", "--role", "member"): "UPDATE_USER",
    ("user", "activate", "-n", "ann{mark}"): "UPDATE_USER",
    ("user", "deactivate", "-n", "ann{mark}"): "DELETE_USER",
}  # fmt: skip

# Reserved for administrators or the database's superuser, and said so.
RESERVED: dict[tuple[str, ...], str] = {
    ("audit", "verify"): "needs an administrator",
    ("db", "admin"): "is no superuser",
    ("db", "init"): "is no superuser",
    ("doctor", "--ledger"): "only an administrator sees all calls",
    ("policy", "clear"): "only an administrator sets the policy",
    ("policy", "set", "{file}"): "only an administrator sets the policy",
    ("secret", "rotate"): "takes an administrator",
    ("setting", "set", "max_losses", "3"): "takes an administrator",
    ("setting", "unset", "max_losses"): "takes an administrator",
    ("update", "user", "-n", "{joe}", "--admin"): "needs an administrator",
    ("user", "password", "-n", "ann{mark}"): "needs an administrator",
}  # fmt: skip

# He holds the right, or it takes none: there is no such thing for him.
NOT_THERE: dict[tuple[str, ...], str] = {
    ("add", "deployment", "-n", "proc{mark}", "-h", "node{mark}"): "there is no processor",
    ("add", "processor", "-n", "x", "-g", "{repository}", "-m", "m", "--network", "lab{mark}"): "there is no network",
    ("add", "socket", "-n", "x", "-pn", "proc{mark}", "-t", "echo"): "there is no processor",
    ("call", "logs", "{call}"): "there is no call",
    ("call", "show", "{call}"): "there is no call",
    ("call", "tree", "{call}"): "there is no call",
    ("describe", "network", "lab{mark}"): "there is no network",
    ("describe", "processor", "proc{mark}"): "there is no processor",
    ("describe", "queue", "q{mark}"): "there is no queue",
    ("describe", "socket", "sock{mark}"): "there is no socket",
    ("describe", "user", "ann{mark}"): "there is no user",
    ("listen", "-n", "proc{mark}", "-c", "task"): "there is no socket, processor",
    ("ls", "call", "--id", "{call}"): "there is no call",
    ("ls", "role", "-n", "role{mark}"): "there is no role",
    ("ls", "user", "-n", "ann{mark}"): "there is no user",
    ("queue", "peek", "-n", "q{mark}"): "there is no queue",
}  # fmt: skip

# They answer, and nothing of hers is in it.
SHOWN: tuple[tuple[str, ...], ...] = (
    ("audit",), ("call", "parked"), ("db", "json"), ("graph",), ("policy", "show"), ("queue", "ls"), ("secret", "ls"),
    ("setting", "ls"), ("whoami",), ("config",), ("ls", "rights"),
    *(("ls", kind) for kind in (
        "agents", "calls", "deployments", "events", "logins", "members", "networks", "nodes", "plugs", "privileges",
        "processors", "queues", "roles", "sockets", "tasks", "user", "users", "workers",
    )),
)  # fmt: skip

# About this machine alone: they ask the database nothing, or what `flow login` asks.
LOCAL = {
    ("agent", "plan"), ("broker", "init"), ("context", "add"), ("context", "delete"), ("context", "ls"),
    ("context", "use"), ("demo",), ("down",), ("login",), ("logout",), ("secret", "key", "export"),
    ("secret", "key", "import"), ("secret", "key", "ls"), ("secret", "key", "new"), ("status",), ("up",),
}  # fmt: skip

#!/usr/bin/env python3
"""C compiler and linker for aarch64-apple-darwin on a system without Apple's tools, over `python -m ziglang cc`.

Rust and the cc crate pass flags of Apple's clang; those zig does not take are dropped. When linking, frameworks and
libobjc are replaced by text stubs that name just the symbols the object files use, written by the script that the
variable ENGRAD_MKSDK names into the folder ENGRAD_SDK. Such a link shows that our own symbols and the system library's
are there; what frameworks export is taken on trust.
"""
import os
import pathlib
import re
import subprocess
import sys

import ziglang

SYMBOL = re.compile(rb"_(?:objc_|_objc_|OBJC_|sel_|class_|object_|method_|NS|CF|kCF|IO|kIO|MTL|iconv)[A-Za-z0-9_$]*")
DROPPED = ("--target=", "-mmacosx-version-min=")
DROPPED_WITH_VALUE = ("-target", "-arch", "-isysroot")


def arguments(given):
    kept, rest = [], iter(given)
    for argument in rest:
        if argument in DROPPED_WITH_VALUE:
            next(rest, None)
        elif argument != "-liconv" and not argument.startswith(DROPPED):
            kept.append(argument)
    return kept


def symbols(given):
    names = set()
    for argument in given:
        if argument.endswith((".o", ".rlib", ".a")) and os.path.isfile(argument):
            names.update(SYMBOL.findall(pathlib.Path(argument).read_bytes()))
    return sorted(name.decode() for name in names)


def stubs(given):
    """Flags for the stubs, written for these object files."""
    sdk, tool = os.environ.get("ENGRAD_SDK"), os.environ.get("ENGRAD_MKSDK")
    if not sdk or not tool or not {"-framework", "-lobjc"} & set(given):
        return []
    out = f"{sdk}/{os.getpid()}"
    system = next(pathlib.Path(ziglang.__file__).parent.rglob("libSystem.tbd"))
    text = "\n".join(symbols(given))
    subprocess.run([sys.executable, tool, out, system], input=text, text=True, check=True, stdout=subprocess.DEVNULL)
    return [f"-L{out}/usr/lib", f"-F{out}/System/Library/Frameworks"]


given = arguments(sys.argv[1:])
command = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-macos.13.0", *given, *stubs(given)]
sys.exit(subprocess.run(command).returncode)

//! `hello`: writes the program that the images of `fixtures/two-images` carry, once for amd64 and once
//! for arm64: a static ELF file of half a KiB that greets on standard output and exits 0, or 1 when
//! the greeting could not be written whole.
//!
//! It is assembled here, byte by byte, so that the fixture needs no compiler for either platform and
//! anyone can check what the program does. The layout is that of the ELF specification, version 1.2,
//! in its 64-bit form: the file header, two program headers (one segment that is loaded, and one that
//! says that the stack is not executable), the code, the greeting, and the section headers that make
//! `objdump -d` work. The whole file is loaded as one readable and executable segment.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use thiserror::Error;

/// Where the fixture keeps its programs, from the repository's root.
const FOLDER: &str = "fixtures/two-images/bin";

/// Where the file is loaded.
const BASE: u64 = 0x40_0000;
/// The largest page of arm64 Linux; amd64 pages are smaller.
const PAGE: u64 = 0x1_0000;
const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const SECTION_HEADER: u16 = 64;
const CODE_AT: u64 = HEADER + 2 * PROGRAM_HEADER;

/// What the programs are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    Amd64,
    Arm64,
}

impl Machine {
    const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The name that BuildKit's TARGETARCH has for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// `e_machine`: EM_X86_64, EM_AARCH64.
    const fn elf(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }

    fn greeting(self) -> String {
        format!("hello from loadline on linux/{}\n", self.name())
    }
}

/// Why the programs cannot be written.
#[derive(Debug, Error)]
#[error("`{path}` cannot be written: {source}")]
pub(crate) struct HelloError {
    path: Utf8PathBuf,
    source: io::Error,
}

/// Writes both programs below the repository's root, and says what it wrote.
pub(crate) fn write(root: &Utf8Path) -> Result<Vec<String>, HelloError> {
    let mut lines = Vec::new();
    for machine in Machine::ALL {
        let folder = root.join(FOLDER).join(machine.name());
        let path = folder.join("hello");
        let bytes = program(machine);
        let fail = |source| HelloError { path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(fail)?;
        fs::write(&path, &bytes).map_err(fail)?;
        executable(&path).map_err(fail)?;
        lines.push(format!("{path}: {} bytes", bytes.len()));
    }
    Ok(lines)
}

#[cfg(unix)]
fn executable(path: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Utf8Path) -> io::Result<()> {
    Ok(())
}

fn program(machine: Machine) -> Vec<u8> {
    let greeting = machine.greeting();
    let length = greeting.len() as u32;
    let code = match machine {
        Machine::Amd64 => amd64(length),
        Machine::Arm64 => arm64(length),
    };
    elf(machine, &code, greeting.as_bytes())
}

/// System V calling convention for system calls: number in rax, arguments in rdi, rsi, rdx.
/// The greeting follows the code.
fn amd64(length: u32) -> Vec<u8> {
    let mut code = Vec::new();
    code.extend([0xb8, 1, 0, 0, 0]); //            mov  eax, 1        write
    code.extend([0xbf, 1, 0, 0, 0]); //            mov  edi, 1        standard output
    code.extend([0x48, 0x8d, 0x35]); //            lea  rsi, [rip + what follows from here to the end]
    let distance_at = code.len();
    code.extend([0; 4]);
    code.push(0xba); //                            mov  edx, length
    code.extend(length.to_le_bytes());
    code.extend([0x0f, 0x05]); //                  syscall
    code.push(0x3d); //                            cmp  eax, length
    code.extend(length.to_le_bytes());
    code.extend([0x40, 0x0f, 0x95, 0xc7]); //      setne dil          1 unless all of it was written
    code.extend([0x40, 0x0f, 0xb6, 0xff]); //      movzx edi, dil
    code.extend([0xb8, 60, 0, 0, 0]); //           mov  eax, 60       exit
    code.extend([0x0f, 0x05]); //                  syscall
    let distance = (code.len() - (distance_at + 4)) as u32;
    code[distance_at..distance_at + 4].copy_from_slice(&distance.to_le_bytes());
    code
}

/// The kernel's convention on arm64: number in x8, arguments in x0, x1, x2. The greeting follows the
/// code.
fn arm64(length: u32) -> Vec<u8> {
    let move_to = |register: u32, value: u32| 0xd280_0000 | value << 5 | register;
    const SUPERVISOR_CALL: u32 = 0xd400_0001;
    let instructions = |distance: u32| {
        [
            move_to(0, 1),                                             // movz x0, #1        standard output
            0x1000_0001 | (distance & 3) << 29 | (distance >> 2) << 5, // adr  x1, greeting
            move_to(2, length),                                        // movz x2, #length
            move_to(8, 64),                                            // movz x8, #64       write
            SUPERVISOR_CALL,                                           // svc  #0
            0xf100_001f | length << 10,                                // cmp  x0, #length
            0x1a9f_07e0,     // cset w0, ne        1 unless all of it
            move_to(8, 93),  // movz x8, #93       exit
            SUPERVISOR_CALL, // svc  #0
        ]
    };
    // `adr` counts from itself, the second instruction.
    let distance = 4 * (instructions(0).len() as u32 - 1);
    instructions(distance).iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn elf(machine: Machine, code: &[u8], greeting: &[u8]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.rodata\0.shstrtab\0";
    let greeting_at = CODE_AT + code.len() as u64;
    let names_at = greeting_at + greeting.len() as u64;
    let sections_at = (names_at + NAMES.len() as u64).next_multiple_of(8);

    let mut out = Vec::new();
    out.extend(b"\x7fELF");
    out.extend([2, 1, 1, 0]); //                   64 bits, little-endian, version 1, System V
    out.extend([0; 8]);
    half(&mut out, 2); //                          e_type: ET_EXEC
    half(&mut out, machine.elf());
    word(&mut out, 1); //                          e_version
    long(&mut out, BASE + CODE_AT); //             e_entry
    long(&mut out, HEADER); //                     e_phoff
    long(&mut out, sections_at); //                e_shoff
    word(&mut out, 0); //                          e_flags
    half(&mut out, HEADER as u16); //              e_ehsize
    half(&mut out, PROGRAM_HEADER as u16); //      e_phentsize
    half(&mut out, 2); //                          e_phnum
    half(&mut out, SECTION_HEADER); //             e_shentsize
    half(&mut out, 4); //                          e_shnum
    half(&mut out, 3); //                          e_shstrndx

    // PT_LOAD: the file as far as the greeting's end, readable and executable.
    program_header(&mut out, 1, 5, names_at, BASE, PAGE);
    // PT_GNU_STACK: readable and writable only.
    program_header(&mut out, 0x6474_e551, 6, 0, 0, 16);

    out.extend(code);
    out.extend(greeting);
    out.extend(NAMES);
    out.resize(sections_at as usize, 0);

    section(&mut out, [0, 0], 0, 0, 0, 0);
    // SHT_PROGBITS: allocated and executable; allocated; SHT_STRTAB.
    section(&mut out, [1, 1], 6, BASE + CODE_AT, CODE_AT, code.len() as u64);
    section(&mut out, [7, 1], 2, BASE + greeting_at, greeting_at, greeting.len() as u64);
    section(&mut out, [15, 3], 0, 0, names_at, NAMES.len() as u64);
    out
}

fn program_header(out: &mut Vec<u8>, kind: u32, flags: u32, size: u64, address: u64, align: u64) {
    word(out, kind);
    word(out, flags);
    long(out, 0); //                               p_offset
    long(out, address); //                         p_vaddr
    long(out, address); //                         p_paddr
    long(out, size); //                            p_filesz
    long(out, size); //                            p_memsz
    long(out, align);
}

fn section(out: &mut Vec<u8>, name_and_kind: [u32; 2], flags: u64, address: u64, offset: u64, size: u64) {
    word(out, name_and_kind[0]);
    word(out, name_and_kind[1]);
    long(out, flags);
    long(out, address);
    long(out, offset);
    long(out, size);
    word(out, 0); //                               sh_link
    word(out, 0); //                               sh_info
    long(out, u64::from(size > 0)); //             sh_addralign
    long(out, 0); //                               sh_entsize
}

fn half(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_le_bytes());
}

fn word(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn long(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loadline_process::{Environment, Invocation};

    use super::*;

    fn root() -> Utf8PathBuf {
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_fixture_holds_what_is_assembled_here() {
        for machine in Machine::ALL {
            let path = root().join(FOLDER).join(machine.name()).join("hello");
            let written = fs::read(&path).unwrap_or_default();
            assert!(written == program(machine), "{path} differs: run `cargo xtask hello`");
            assert!(written.len() < 1024);
        }
    }

    /// Runs the program, through an emulator where one is needed and there; says when it is not.
    fn run(machine: Machine) {
        let native = match machine {
            Machine::Amd64 => cfg!(all(target_os = "linux", target_arch = "x86_64")),
            Machine::Arm64 => cfg!(all(target_os = "linux", target_arch = "aarch64")),
        };
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        write(folder).unwrap();
        let path = folder.join(FOLDER).join(machine.name()).join("hello");
        let environment = Environment::of_this_process();
        let emulators = match machine {
            Machine::Amd64 => ["qemu-x86_64-static", "qemu-x86_64"],
            Machine::Arm64 => ["qemu-aarch64-static", "qemu-aarch64"],
        };
        let invocation = if native {
            Invocation::new(path.as_str(), folder)
        } else if let Some(emulator) = emulators.iter().find(|name| environment.find_program(name).is_some())
        {
            Invocation::new(*emulator, folder).arg(path.as_str())
        } else {
            println!("skipped: neither this machine nor {} runs {}", emulators.join(" or "), machine.name());
            return;
        };
        let output = invocation.time_limit(Duration::from_secs(30)).run(&environment).unwrap();
        assert_eq!(output.stdout_text(), machine.greeting());
        assert!(output.success(), "{:?}", output.status);
    }

    #[test]
    fn the_amd64_program_greets() {
        run(Machine::Amd64);
    }

    #[test]
    fn the_arm64_program_greets() {
        run(Machine::Arm64);
    }
}

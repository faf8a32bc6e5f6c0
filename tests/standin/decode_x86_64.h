/* One 32-bit MOV between memory and a register, on x86-64.

   The encoding is in the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
   section 2.1 (format, ModR/M, SIB) and the page of MOV. */
static const int GENERAL[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};

/* Decodes MOV r32,m32; MOV m32,r32; MOV m32,imm32. Returns whether it is one of them. */
static int decode(const ucontext_t *context, struct move *found) {
  const greg_t *registers = context->uc_mcontext.gregs;
  const uint8_t *code = (const uint8_t *)registers[REG_RIP], *at = code;
  int extended = 0;
  if ((*at & 0xF0) == 0x40) {
    if (*at & 8) return 0; /* REX.W: 64 bits */
    extended = *at++ & 4;
  }
  uint8_t opcode = *at++;
  if (opcode != 0x8B && opcode != 0x89 && opcode != 0xC7) return 0;
  uint8_t modrm = *at++;
  int mode = modrm >> 6, reg = modrm >> 3 & 7, rm = modrm & 7;
  if (mode == 3 || (opcode == 0xC7 && reg)) return 0;
  int wide = mode == 2 || (mode == 0 && rm == 5);
  if (rm == 4) wide |= mode == 0 && (*at++ & 7) == 5;
  at += wide ? 4 : mode == 1;
  found->is_store = opcode != 0x8B;
  found->reg = reg + (extended ? 8 : 0);
  if (opcode == 0xC7) {
    memcpy(&found->value, at, 4);
    at += 4;
  } else {
    found->value = (uint32_t)registers[GENERAL[found->reg]];
  }
  found->length = (int)(at - code);
  return 1;
}

/* Puts the value of a load into its register, and goes on behind the instruction. */
static void finish(ucontext_t *context, const struct move *move) {
  if (!move->is_store) context->uc_mcontext.gregs[GENERAL[move->reg]] = move->value;
  context->uc_mcontext.gregs[REG_RIP] += move->length;
}

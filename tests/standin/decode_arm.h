/* One LDR or STR of a word without write-back, on 32-bit ARM, in both instruction sets.

   The encodings are in the ARM Architecture Reference Manual, ARMv7-A and ARMv7-R edition
   (ARM DDI 0406), A8.8.62 to A8.8.66 (LDR) and A8.8.203 to A8.8.205 (STR). */
enum { THUMB = 1 << 5, IN_IT_BLOCK = 0x0600FC00 }; /* in CPSR */

static uint32_t *general(const ucontext_t *context, int number) {
  return (uint32_t *)&context->uc_mcontext.arm_r0 + number; /* r0 to r10, fp, ip, sp, lr, pc */
}

static int decode_thumb(const uint16_t *code, struct move *found) {
  uint16_t first = code[0];
  found->length = first >> 11 >= 0x1D ? 4 : 2;
  if (found->length == 2) {
    int immediate = (first & 0xF000) == 0x6000, by_register = (first & 0xF600) == 0x5000;
    found->is_store = immediate ? !(first & 0x0800) : (first & 0xFE00) == 0x5000;
    found->reg = first & 7;
    return immediate || (by_register && (found->is_store || (first & 0xFE00) == 0x5800));
  }
  int long_offset = (first & 0xFFE0) == 0xF8C0, short_offset = (first & 0xFFE0) == 0xF840;
  int is_index = (code[1] & 0x0FC0) == 0, is_negative = (code[1] & 0x0F00) == 0x0C00;
  found->is_store = !(first & 0x10);
  found->reg = code[1] >> 12;
  return long_offset || (short_offset && (is_index || is_negative));
}

static int decode_arm(uint32_t code, struct move *found) {
  int immediate = (code & 0x0F600000) == 0x05000000 && !(code & 0x00400000);
  int by_register = (code & 0x0F600010) == 0x07000000;
  found->length = 4;
  found->is_store = !(code & 0x00100000);
  found->reg = code >> 12 & 15;
  return immediate || by_register;
}

/* Decodes it. Returns whether it is such an instruction. */
static int decode(const ucontext_t *context, struct move *found) {
  const void *code = (const void *)context->uc_mcontext.arm_pc;
  uint32_t state = context->uc_mcontext.arm_cpsr;
  if (state & IN_IT_BLOCK) return 0; /* going on would have to count down the block */
  int known = state & THUMB ? decode_thumb(code, found) : decode_arm(*(const uint32_t *)code, found);
  if (known) found->value = *general(context, found->reg);
  return known && found->reg < 13;
}

/* Puts the value of a load into its register, and goes on behind the instruction. */
static void finish(ucontext_t *context, const struct move *move) {
  if (!move->is_store) *general(context, move->reg) = move->value;
  context->uc_mcontext.arm_pc += move->length;
}
